{{/* Not empty if the agent has a join token. */}}
{{- define "agent.joins" -}}
{{- if or .Values.hub.joinToken .Values.hub.joinTokenSecret }}true{{ end }}
{{- end }}

{{/* Not empty if the agent dials the masters. */}}
{{- define "agent.dials" -}}
{{- if or .Values.hub.url (include "agent.joins" .) }}true{{ end }}
{{- end }}

{{/* Not empty if the agent has a ConfigMap with the master's public key. A join token has that key too. */}}
{{- define "agent.hasKeyMap" -}}
{{- if or .Values.masterPublicKey .Values.masterPublicKeyConfigMap (not (include "agent.joins" .)) }}true{{ end }}
{{- end }}
