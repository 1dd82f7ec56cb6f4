package main

import (
	"encoding/json"
	"io"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/info"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
)

// printNames writes {token: {property: shape}}. A shape is the name of a scalar type, "map", [shape] for a list, or an
// object of the same form for a block.
func printNames(out io.Writer, p info.Provider) error {
	names := map[string]any{}
	for terraform, resource := range p.Resources {
		names[string(resource.Tok)] = object(p.P.ResourcesMap().Get(terraform).Schema(), resource.Fields)
	}
	encoder := json.NewEncoder(out) // sorts keys
	encoder.SetIndent("", " ")
	return encoder.Encode(names)
}

func object(schema shim.SchemaMap, infos map[string]*info.Schema) map[string]any {
	shapes := map[string]any{}
	schema.Range(func(key string, value shim.Schema) bool {
		shapes[tfbridge.TerraformToPulumiNameV2(key, schema, infos)] = shape(value, infos[key])
		return true
	})
	return shapes
}

func shape(schema shim.Schema, override *info.Schema) any {
	switch schema.Type() {
	case shim.TypeBool:
		return "boolean"
	case shim.TypeInt:
		return "integer"
	case shim.TypeFloat:
		return "number"
	case shim.TypeMap:
		return "map"
	case shim.TypeList, shim.TypeSet:
		if tfbridge.IsMaxItemsOne(schema, override) {
			return element(schema, override)
		}
		return []any{element(schema, override)}
	default:
		return "string"
	}
}

func element(schema shim.Schema, override *info.Schema) any {
	var infos map[string]*info.Schema
	if override != nil && override.Elem != nil {
		infos = override.Elem.Fields
	}
	switch inner := schema.Elem().(type) {
	case shim.Resource:
		return object(inner.Schema(), infos)
	case shim.Schema:
		return shape(inner, nil)
	default:
		return "string"
	}
}
