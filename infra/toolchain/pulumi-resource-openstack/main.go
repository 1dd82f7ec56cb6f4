// Command pulumi-resource-openstack is the Terraform OpenStack provider, bridged to the Pulumi engine under the tokens and
// property names of the pulumi-openstack package.
//
// With -names it prints the property names that it understands, as JSON, instead of serving.
package main

import (
	"encoding/json"
	"os"
	"unicode"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/info"
	shimv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/terraform-provider-openstack/terraform-provider-openstack/v3/openstack"
)

// version is that of the pulumi-openstack package, whose own provider bridges the same Terraform provider release.
const version = "5.5.1"

func token(module, name string) tokens.Type {
	first := []rune(name)
	first[0] = unicode.ToLower(first[0])
	return tokens.Type("openstack:" + module + "/" + string(first) + ":" + name)
}

func provider() info.Provider {
	p := info.Provider{
		P:                       shimv2.NewProvider(openstack.Provider()),
		Name:                    "openstack",
		Version:                 version,
		TFProviderModuleVersion: "v3",
		Config:                  map[string]*info.Schema{},
		Resources:               map[string]*info.Resource{},
		DataSources:             map[string]*info.DataSource{},
	}
	for module, names := range resources {
		for terraform, name := range names {
			p.Resources[terraform] = &info.Resource{Tok: token(module, name)}
		}
	}
	for module, names := range dataSources {
		for terraform, name := range names {
			p.DataSources[terraform] = &info.DataSource{Tok: tokens.ModuleMember("openstack:" + module + "/" + name + ":" + name)}
		}
	}
	p.SetAutonaming(255, "-")
	return p
}

func main() {
	p := provider()
	if len(os.Args) == 2 && os.Args[1] == "-names" {
		if err := printNames(os.Stdout, p); err != nil {
			panic(err)
		}
		return
	}
	schema, err := json.Marshal(map[string]any{"name": "openstack", "version": version})
	if err != nil {
		panic(err)
	}
	tfbridge.Main("openstack", version, p, schema)
}
