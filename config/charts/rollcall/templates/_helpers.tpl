{{/* The labels of all objects. */}}
{{- define "rollcall.labels" -}}
app.kubernetes.io/part-of: rollcall
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.extraLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* An object of config/ in the namespace of the release, with the chart's labels. */}}
{{- define "rollcall.object" -}}
{{- $root := .root }}
{{- $object := .object }}
{{- if eq ($object.metadata.namespace | default "") "rollcall-system" }}
{{- $_ := set $object.metadata "namespace" $root.Release.Namespace }}
{{- end }}
{{- range $object.subjects }}
{{- if eq .kind "ServiceAccount" }}
{{- $_ := set . "namespace" $root.Release.Namespace }}
{{- end }}
{{- end }}
{{- $labels := merge (include "rollcall.labels" $root | fromYaml) ($object.metadata.labels | default dict) }}
{{- $_ := set $object.metadata "labels" $labels }}
{{- with .annotations }}
{{- $_ := set $object.metadata "annotations" (merge . ($object.metadata.annotations | default dict)) }}
{{- end }}
{{ toYaml $object }}
{{- end }}

{{/* The image. A digest wins over a tag. */}}
{{- define "rollcall.image" -}}
{{- with .Values.image -}}
{{- with .registry }}{{ . }}/{{ end }}{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* 90 % of the memory limit, so that garbage is collected before the kernel kills the process. */}}
{{- define "rollcall.memoryLimit" -}}
{{- $limit := .Values.resources.limits.memory | toString }}
{{- $units := dict "" 1 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "k" 1000 "M" 1000000 "G" 1000000000 }}
{{- $unit := regexFind "[A-Za-z]*$" $limit }}
{{- if not (hasKey $units $unit) }}
{{- fail (printf "resources.limits.memory: %q has no unit that GOMEMLIMIT can be computed from: use Ki, Mi or Gi, such as 512Mi" $limit) }}
{{- end }}
{{- printf "%dMiB" (div (mulf (trimSuffix $unit $limit) (get $units $unit) 0.9 | int64) 1048576) }}
{{- end }}

{{/* Not empty if several masters share the clusters. */}}
{{- define "rollcall.shared" -}}
{{- if and (.Values.cache).existingSecret (gt (int .Values.replicas) 1) }}yes{{ end }}
{{- end }}

{{/* The parts of a pod that both charts have in common. */}}
{{- define "rollcall.pod" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
{{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
{{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.topologySpreadConstraints }}
topologySpreadConstraints:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
{{- toYaml . | nindent 2 }}
{{- end }}
# The process exits within 10 s of SIGTERM, or 15 s if it first hands its clusters over.
terminationGracePeriodSeconds: {{ if include "rollcall.shared" . }}30{{ else }}15{{ end }}
{{- end }}

{{/* The probes. They have their own listener, so that they work even when the limit of connections is reached. */}}
{{- define "rollcall.probes" -}}
livenessProbe:
  httpGet: {port: health, path: /healthz}
  periodSeconds: 10
readinessProbe:
  httpGet: {port: health, path: /readyz}
  periodSeconds: 5
{{- end }}
