{{- /* fields lists the fields of a type by their paths, and then those of the structs in it. */ -}}
{{- define "fields" -}}
{{- $path := .path -}}
| Field | Description | Default |
| --- | --- | --- |
{{ range .type.Members -}}
{{ if ne .Name "metadata" -}}
| `{{ $path }}{{ .Name }}`<br />{{ template "fieldType" dict "path" (print $path .Name) "type" .Type }} | {{ markdownRenderFieldDoc .Doc | replace "<br />" " " }} | {{ with .Default }}`{{ . }}`{{ end }} |
{{ end -}}
{{ end -}}
{{ range .type.Members -}}
{{ if and (ne .Name "metadata") (ne .Type.Name "FieldSource") (not .Type.Imported) .Type.Members }}
### {{ $path }}{{ .Name }}

{{ with .Type.Doc }}{{ . }}{{ else }}{{ .Type.UnderlyingType.Doc }}{{ end }}

{{ template "fields" dict "path" (print $path .Name (eq .Type.Kind 5 | ternary "[]." ".")) "type" .Type -}}
{{ end -}}
{{ end -}}
{{- end -}}
{{- define "fieldType" -}}
{{- $type := .type -}}
{{- if $type.EnumValues -}}
{{- range $i, $v := $type.EnumValues -}}{{ if $i }}, {{ end }}`{{ $v.Name }}`{{- end -}}
{{- else if and $type.UnderlyingType $type.UnderlyingType.EnumValues -}}
list of {{ template "fieldType" dict "path" .path "type" $type.UnderlyingType }}
{{- else if eq $type.Name "FieldSource" -}}
[field source](#field-sources)
{{- else if or $type.Imported (eq $type.Name "RawExtension") -}}
object
{{- else if eq $type.Kind 3 -}}
map of strings
{{- else if $type.Members -}}
[{{ eq $type.Kind 5 | ternary "list" "object" }}](#{{ .path | lower | replace "." "" | replace "[]" "" }})
{{- else -}}
{{ markdownRenderType $type | replace "string array" "list of strings" }}
{{- end -}}
{{- end -}}
