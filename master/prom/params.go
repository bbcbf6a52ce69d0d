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

// withTimeout returns a context with the timeout that the request sets, limited to queryTimeout.
func withTimeout(ctx context.Context, form url.Values) (context.Context, context.CancelFunc, error) {
	limit := queryTimeout
	if s := form.Get("timeout"); s != "" {
		d, err := parseDuration(s)
		if err != nil || d <= 0 {
			return nil, nil, badData("timeout", fmt.Errorf("%.40q is not a duration such as 10s", s))
		}
		limit = min(limit, d)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	return ctx, cancel, nil
}

// parseTime returns the time in a parameter: Unix seconds with an optional fraction, or RFC 3339.
// It returns absent if the parameter is missing.
func parseTime(form url.Values, name string, absent time.Time) (time.Time, error) {
	s := form.Get(name)
	if s == "" {
		return absent, nil
	}
	if seconds, err := strconv.ParseFloat(s, 64); err == nil {
		// Later arithmetic in milliseconds must not overflow.
		if math.IsNaN(seconds) || math.Abs(seconds) > 1e15 {
			return time.Time{}, badData(name, fmt.Errorf("%.40q is out of range", s))
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

// parseDuration parses seconds with an optional fraction, or a Prometheus duration such as 1h30m.
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

// timeRange holds the parameters of a range query.
type timeRange struct {
	start, end time.Time
	step       time.Duration
}

func parseRange(form url.Values) (s timeRange, err error) {
	for _, name := range []string{"start", "end", "step"} {
		if form.Get(name) == "" {
			return s, badData(name, errors.New("is required"))
		}
	}
	if s.start, err = parseTime(form, "start", time.Time{}); err != nil {
		return s, err
	}
	if s.end, err = parseTime(form, "end", time.Time{}); err != nil {
		return s, err
	}
	if s.step, err = parseDuration(form.Get("step")); err != nil {
		return s, badData("step", fmt.Errorf("%.40q is not a duration such as 15s", form.Get("step")))
	}
	switch {
	case s.end.Before(s.start):
		return s, badData("end", errors.New("must not be before the start"))
	case s.step < time.Millisecond:
		return s, badData("step", errors.New("must be at least 1ms"))
	case s.end.UnixMilli()-s.start.UnixMilli() > maxPoints*s.step.Milliseconds():
		return s, badData("step", fmt.Errorf("a series would have more than %d points; use a longer step or a shorter range", maxPoints))
	}
	return s, nil
}

// parseLimit returns the parameter limit, the maximum number of results; 0 means no limit.
func parseLimit(form url.Values) (int, error) {
	s := form.Get("limit")
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, badData("limit", fmt.Errorf("%.40q is not a number of results", s))
	}
	return n, nil
}

// parseLookback returns the parameter lookback_delta; 0 means the default of the engine.
func parseLookback(form url.Values) (time.Duration, error) {
	s := form.Get("lookback_delta")
	if s == "" {
		return 0, nil
	}
	d, err := parseDuration(s)
	if err != nil || d <= 0 {
		return 0, badData("lookback_delta", fmt.Errorf("%.40q is not a duration such as 5m", s))
	}
	return d, nil
}

// parseSelectors parses the parameters match[]. checkForm has to check them first.
func (a *API) parseSelectors(ctx context.Context, form url.Values) (selectors [][]*labels.Matcher, err error) {
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
