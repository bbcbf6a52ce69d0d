package plugin

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/kubectl/pkg/cmd/get"
	"rollcall.dev/rollcall/client"
)

// output is how rows are printed: the flags of kubectl get, as far as they have a
// meaning for rows.
type output struct {
	flags  *get.PrintFlags
	watch  bool
	events bool
}

func newOutput(cmd *cobra.Command) *output {
	o := &output{flags: get.NewGetPrintFlags()}
	human := o.flags.HumanReadableFlags
	human.ShowKind, human.ShowLabels, human.ColumnLabels = nil, nil, nil
	f := cmd.Flags()
	f.StringVarP(o.flags.OutputFormat, "output", "o", "", "output format, one of: "+strings.Join(o.formats(), ", "))
	f.BoolVar(o.flags.NoHeaders, "no-headers", false, "no headers in tables and custom columns")
	human.AddFlags(cmd)
	f.Lookup("sort-by").Usage = "sort by a field, such as .status.restarts; with tables too"
	o.flags.TemplateFlags.AddFlags(cmd)
	f.BoolVarP(&o.watch, "watch", "w", false, "after what there is, what changes, until Ctrl-C")
	f.BoolVar(&o.events, "output-watch-events", false, "with -w: tell what happened to each row (ADDED, MODIFIED, DELETED)")
	complete(cmd, "output", o.formats()...)
	return o
}

func (o *output) formats() []string {
	var formats []string
	for _, f := range o.flags.AllowedFormats() {
		if f != "kyaml" {
			formats = append(formats, f)
		}
	}
	return formats
}

// human says that tables are printed, and not objects.
func (o *output) human() bool {
	template := o.flags.TemplateFlags.TemplateArgument
	return (*o.flags.OutputFormat == "" && *template == "") || *o.flags.OutputFormat == "wide"
}

// printer prints rows of one kind, over all of a command.
type printer[T any] struct {
	kind    *kind[T]
	without hidden
	human   bool
	events  bool
	now     func() time.Time
	out     io.Writer
	// tab keeps the columns of a watch's tables where they are.
	tab interface {
		io.Writer
		Flush() error
	}

	printers.ResourcePrinter
}

func newPrinter[T any](p *plugin, k *kind[T], o *output, without hidden) (*printer[T], error) {
	one, err := o.flags.ToPrinter()
	if genericclioptions.IsNoCompatiblePrinterError(err) {
		return nil, fmt.Errorf("unable to match a printer suitable for the output format %q, allowed formats are: %s", *o.flags.OutputFormat, strings.Join(o.formats(), ","))
	}
	if err != nil {
		return nil, err
	}
	by := *o.flags.HumanReadableFlags.SortBy
	switch {
	case by != "" && o.watch:
		fmt.Fprintln(p.ErrOut, "warning: --watch requested, --sort-by will be ignored")
	case by != "":
		one = &get.SortingPrinter{Delegate: one, SortField: by}
	}
	return &printer[T]{k, without, o.human(), o.watch && o.events, p.now, p.Out, printers.GetNewTabWriter(p.Out), one}, nil
}

// all prints what was asked for; alone says that it is one object and no list.
func (p *printer[T]) all(items []item[T], alone bool) error {
	var object runtime.Object
	var err error
	switch {
	case p.human:
		object, err = p.kind.table(items, p.without, p.now())
	case alone && len(items) == 1:
		object, err = p.kind.object(items[0])
	default:
		object, err = p.kind.list(items)
	}
	if err != nil {
		return err
	}
	return p.PrintObj(object, p.out)
}

// some prints a list; a table without rows is nothing.
func (p *printer[T]) some(items []item[T]) error {
	if p.human && len(items) == 0 {
		return nil
	}
	return p.all(items, false)
}

// event prints rows of a watch as of that event: those of tables together, objects one
// by one.
func (p *printer[T]) event(is client.EventType, items ...item[T]) error {
	if p.human {
		table, err := p.kind.table(items, p.without, p.now())
		if err != nil || len(items) == 0 {
			return err
		}
		return p.wrap(is, table)
	}
	for _, i := range items {
		object, err := p.kind.object(i)
		if err != nil {
			return err
		}
		if err := p.wrap(is, object); err != nil {
			return err
		}
	}
	return nil
}

func (p *printer[T]) wrap(is client.EventType, object runtime.Object) error {
	if p.events {
		object = &metav1.WatchEvent{Type: string(is), Object: runtime.RawExtension{Object: object}}
	}
	if err := p.PrintObj(object, p.tab); err != nil {
		return err
	}
	return p.tab.Flush()
}
