{{- define "gvDetails" }}
## Reference

Every field is listed under its full path, so you can search this page for it. A field is
optional unless its description says that it is required. `apiVersion` is
`{{ .GroupVersionString }}`, and `kind` is `ClusterRegistration`.
{{ $gv := . }}
{{- range $gv.SortedKinds }}
{{- $type := $gv.TypeForKind . }}
### {{ . }}

{{ $type.Doc }}

{{ template "fields" dict "path" "" "type" $type }}
{{- end }}
{{- range $gv.SortedTypes }}{{ if eq .Name "FieldSource" }}
### Field sources

{{ .Doc }}

Every field whose name ends in `From` is a field source, except `kubeconfigFrom`. The elements
of `cluster.labelsFrom` and `cluster.annotationsFrom` have its fields as well.

{{ template "fields" dict "path" "…From." "type" . }}
{{- end }}{{ end }}
{{- end -}}
