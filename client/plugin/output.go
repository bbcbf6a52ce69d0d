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

// output holds the output flags, which are those of kubectl get that apply to rows.
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
	f.BoolVar(o.flags.NoHeaders, "no-headers", false, "do not print headers in tables and custom columns")
	human.AddFlags(cmd)
	f.Lookup("sort-by").Usage = "sort by a field, such as .status.restarts; with tables too"
	o.flags.TemplateFlags.AddFlags(cmd)
	f.BoolVarP(&o.watch, "watch", "w", false, "print the rows and then their changes, until Ctrl-C")
	f.BoolVar(&o.events, "output-watch-events", false, "with -w: print the type of each event (ADDED, MODIFIED, DELETED)")
	completeFlag(cmd, "output", o.formats()...)
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

// human reports whether tables are printed, and not objects or names for programs.
func (o *output) human() bool {
	template := o.flags.TemplateFlags.TemplateArgument
	return (*o.flags.OutputFormat == "" && *template == "") || *o.flags.OutputFormat == "wide"
}

// wide reports whether tables have all columns.
func (o *output) wide() bool { return *o.flags.OutputFormat == "wide" }

// printer prints the rows of a command.
type printer[T any] struct {
	kind   *kind[T]
	hidden hiddenColumns
	human  bool
	events bool
	now    func() time.Time
	out    io.Writer
	// tab aligns the columns of the tables of a watch.
	tab interface {
		io.Writer
		Flush() error
	}

	printers.ResourcePrinter
}

func newPrinter[T any](p *plugin, k *kind[T], o *output, hidden hiddenColumns) (*printer[T], error) {
	delegate, err := o.flags.ToPrinter()
	if genericclioptions.IsNoCompatiblePrinterError(err) {
		return nil, fmt.Errorf("unable to match a printer suitable for the output format %q, allowed formats are: %s", *o.flags.OutputFormat, strings.Join(o.formats(), ","))
	}
	if err != nil {
		return nil, err
	}
	sortBy := *o.flags.HumanReadableFlags.SortBy
	switch {
	case sortBy != "" && o.watch:
		fmt.Fprintln(p.ErrOut, "warning: --watch requested, --sort-by will be ignored")
	case sortBy != "":
		delegate = &get.SortingPrinter{Delegate: delegate, SortField: sortBy}
	}
	return &printer[T]{k, hidden, o.human(), o.watch && o.events, p.now, p.Out, printers.GetNewTabWriter(p.Out), delegate}, nil
}

// write prints items. If single is true, a single item is printed as an object and not as a
// list.
func (p *printer[T]) write(items []item[T], single bool) error {
	var object runtime.Object
	var err error
	switch {
	case p.human:
		object, err = p.kind.table(items, p.hidden, p.now())
	case single && len(items) == 1:
		object, err = p.kind.object(items[0])
	default:
		object, err = p.kind.list(items)
	}
	if err != nil {
		return err
	}
	return p.PrintObj(object, p.out)
}

// printList prints a list. A table without rows is not printed.
func (p *printer[T]) printList(items []item[T]) error {
	if p.human && len(items) == 0 {
		return nil
	}
	return p.write(items, false)
}

// printEvent prints the rows of an event of a watch: tables as a whole, objects one by one.
func (p *printer[T]) printEvent(eventType client.EventType, items ...item[T]) error {
	if p.human {
		table, err := p.kind.table(items, p.hidden, p.now())
		if err != nil || len(items) == 0 {
			return err
		}
		return p.printObject(eventType, table)
	}
	for _, i := range items {
		object, err := p.kind.object(i)
		if err != nil {
			return err
		}
		if err := p.printObject(eventType, object); err != nil {
			return err
		}
	}
	return nil
}

func (p *printer[T]) printObject(eventType client.EventType, object runtime.Object) error {
	if p.events {
		object = &metav1.WatchEvent{Type: string(eventType), Object: runtime.RawExtension{Object: object}}
	}
	if err := p.PrintObj(object, p.tab); err != nil {
		return err
	}
	return p.tab.Flush()
}
