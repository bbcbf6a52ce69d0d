package openapi

// Schema is a part of the OpenAPI document: an object of OpenAPI, or a JSON Schema that is written by hand. Those of Go
// types are inferred by schemaSet.
type Schema map[string]any

// Boolean returns the schema of true and false.
func Boolean() Schema { return Schema{"type": "boolean"} }

// String returns the schema of any string.
func String() Schema { return Schema{"type": "string"} }

// Enum returns the schema of a string that has one of some values.
func Enum(values ...string) Schema { return Schema{"type": "string", "enum": values} }

// Integer returns the schema of an integer between two bounds, both included.
func Integer(least, most int) Schema {
	return Schema{"type": "integer", "minimum": least, "maximum": most}
}

// Time returns the schema of a time in RFC 3339.
func Time() Schema { return Schema{"type": "string", "format": "date-time"} }

// List returns the schema of a list.
func List(items Schema) Schema { return Schema{"type": "array", "items": items} }

func ref(name string) Schema { return Schema{"$ref": refTo(name)} }

func refTo(name string) string { return "#/components/schemas/" + name }
