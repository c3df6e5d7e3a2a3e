{{- define "gvDetails" -}}
{{- $gv := . }}
`apiVersion: {{ $gv.GroupVersionString }}`
{{ range $gv.SortedKinds }}{{ template "type" $gv.TypeForKind . }}{{ end }}
{{- range $gv.SortedTypes }}{{ if and .Members (not .GVK) }}{{ template "type" . }}{{ end }}{{ end }}
{{- end -}}
