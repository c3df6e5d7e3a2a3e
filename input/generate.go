//go:build generate

// Package input holds the function's input types, one package a version.
package input

// The tools are pinned in the module in ../tools, so that they are no dependency of
// the function.

//go:generate rm -rf ../package/input
//go:generate go tool -modfile=../tools/go.mod controller-gen paths=./v1beta1 object crd:crdVersions=v1 output:artifacts:config=../package/input
//go:generate go tool -modfile=../tools/go.mod crd-ref-docs --log-level=ERROR --source-path=./v1beta1 --config=../tools/reference/config.yaml --templates-dir=../tools/reference/templates --renderer=markdown --output-path=../docs/input.md
