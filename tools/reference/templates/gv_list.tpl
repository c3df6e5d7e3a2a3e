{{- define "gvList" -}}
<!-- Generated from the types in input/v1beta1 by `make generate`. -->

# Input reference
{{ range . }}{{ template "gvDetails" . }}{{ end }}
{{- end -}}
