{{- define "type" }}
## {{ .Name }}

{{ .Doc }}

| Field | Description | Default |
| --- | --- | --- |
{{ range .Members -}}
{{ if ne .Name "metadata" -}}
| `{{ .Name }}` {{ template "fieldType" .Type }} | {{ markdownRenderFieldDoc .Doc }} | {{ with .Default }}`{{ . }}`{{ end }} |
{{ end -}}
{{ end -}}
{{- end -}}
