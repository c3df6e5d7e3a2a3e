{{- define "fieldType" -}}
{{- if .EnumValues -}}
{{- range $i, $v := .EnumValues -}}{{ if $i }}, {{ end }}`{{ $v.Name }}`{{- end -}}
{{- else if and .UnderlyingType .UnderlyingType.EnumValues -}}
list of {{ template "fieldType" .UnderlyingType }}
{{- else -}}
_{{ markdownRenderType . }}_
{{- end -}}
{{- end -}}
