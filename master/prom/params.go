package prom

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// withTimeout ends a request as it wants, and at the latest after queryTimeout.
func withTimeout(ctx context.Context, form url.Values) (context.Context, context.CancelFunc, error) {
	limit := queryTimeout
	if s := form.Get("timeout"); s != "" {
		d, err := parseDuration(s)
		if err != nil || d <= 0 {
			return nil, nil, badData("timeout", fmt.Errorf("%.40q is no duration such as 10s", s))
		}
		limit = min(limit, d)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	return ctx, cancel, nil
}

// timeOf is a parameter's instant: Unix seconds with a fraction, or RFC 3339.
func timeOf(form url.Values, name string, absent time.Time) (time.Time, error) {
	s := form.Get(name)
	if s == "" {
		return absent, nil
	}
	if seconds, err := strconv.ParseFloat(s, 64); err == nil {
		// Farther away there are no times in milliseconds that could be added to.
		if math.IsNaN(seconds) || math.Abs(seconds) > 1e15 {
			return time.Time{}, badData(name, fmt.Errorf("%.40q is no time that there is", s))
		}
		whole, fraction := math.Modf(seconds)
		return time.Unix(int64(whole), int64(math.Round(fraction*1000))*int64(time.Millisecond)).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, badData(name, fmt.Errorf("%.40q is neither Unix seconds nor RFC 3339", s))
	}
	return t, nil
}

// parseDuration reads seconds with a fraction, or a number with units such as 1h30m.
func parseDuration(s string) (time.Duration, error) {
	if seconds, err := strconv.ParseFloat(s, 64); err == nil {
		if math.IsNaN(seconds) || math.Abs(seconds) > float64(math.MaxInt64/int64(time.Second)) {
			return 0, errors.New("too long")
		}
		return time.Duration(seconds * float64(time.Second)), nil
	}
	d, err := model.ParseDuration(s)
	return time.Duration(d), err
}

// span is what a range is over.
type span struct {
	start, end time.Time
	step       time.Duration
}

func spanOf(form url.Values) (s span, err error) {
	for _, name := range []string{"start", "end", "step"} {
		if form.Get(name) == "" {
			return s, badData(name, errors.New("it is missing"))
		}
	}
	if s.start, err = timeOf(form, "start", time.Time{}); err != nil {
		return s, err
	}
	if s.end, err = timeOf(form, "end", time.Time{}); err != nil {
		return s, err
	}
	if s.step, err = parseDuration(form.Get("step")); err != nil {
		return s, badData("step", fmt.Errorf("%.40q is no duration such as 15s", form.Get("step")))
	}
	switch {
	case s.end.Before(s.start):
		return s, badData("end", errors.New("it is before the start"))
	case s.step < time.Millisecond:
		return s, badData("step", errors.New("it has to be a millisecond at least"))
	case s.end.UnixMilli()-s.start.UnixMilli() > maxPoints*s.step.Milliseconds():
		return s, badData("step", fmt.Errorf("a series would have more than %d points: ask for a longer step or a shorter range", maxPoints))
	}
	return s, nil
}

// limitOf is how many results a client wants at most; 0: all.
func limitOf(form url.Values) (int, error) {
	s := form.Get("limit")
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, badData("limit", fmt.Errorf("%.40q is no number of results", s))
	}
	return n, nil
}

// lookbackOf is for how long a sample counts; 0: as the engine does.
func lookbackOf(form url.Values) (time.Duration, error) {
	s := form.Get("lookback_delta")
	if s == "" {
		return 0, nil
	}
	d, err := parseDuration(s)
	if err != nil || d <= 0 {
		return 0, badData("lookback_delta", fmt.Errorf("%.40q is no duration such as 5m", s))
	}
	return d, nil
}

// selectorsOf are the match[] of a request, which checkForm has bounded.
func (a *API) selectorsOf(ctx context.Context, form url.Values) (selectors [][]*labels.Matcher, err error) {
	err = a.parse(ctx, func() error {
		for _, one := range form["match[]"] {
			selector, err := a.parser.ParseMetricSelector(one)
			if err != nil {
				return badData("match[]", err)
			}
			selectors = append(selectors, selector)
		}
		return nil
	})
	return selectors, err
}
