package informer

import (
	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/api/state"
)

// tristate converts the status of a condition.
func tristate(s string) state.Tristate {
	switch corev1.ConditionStatus(s) {
	case corev1.ConditionTrue:
		return state.True
	case corev1.ConditionFalse:
		return state.False
	}
	return state.Unknown
}

// protocol converts a transport protocol. The API's default is TCP.
func protocol(p string) state.Protocol {
	switch corev1.Protocol(p) {
	case "", corev1.ProtocolTCP:
		return state.TCP
	case corev1.ProtocolUDP:
		return state.UDP
	case corev1.ProtocolSCTP:
		return state.SCTP
	}
	return state.ProtocolUnknown
}

// port returns n as a port number, or 0 if it is not a valid one.
func port(n int32) uint16 {
	if n < 0 || n > 65535 {
		return 0
	}
	return uint16(n)
}

// phase converts the phase of a pod.
func phase(p string) state.PodPhase {
	switch corev1.PodPhase(p) {
	case corev1.PodPending:
		return state.PodPending
	case corev1.PodRunning:
		return state.PodRunning
	case corev1.PodSucceeded:
		return state.PodSucceeded
	case corev1.PodFailed:
		return state.PodFailed
	}
	return state.PodUnknown
}

// restartPolicy converts a restart policy.
func restartPolicy(p string) state.RestartPolicy {
	switch corev1.RestartPolicy(p) {
	case corev1.RestartPolicyAlways:
		return state.RestartAlways
	case corev1.RestartPolicyOnFailure:
		return state.RestartOnFailure
	case corev1.RestartPolicyNever:
		return state.RestartNever
	}
	return state.RestartPolicyNone
}

// qosClass converts a QoS class.
func qosClass(c string) state.QOSClass {
	switch corev1.PodQOSClass(c) {
	case corev1.PodQOSGuaranteed:
		return state.Guaranteed
	case corev1.PodQOSBurstable:
		return state.Burstable
	case corev1.PodQOSBestEffort:
		return state.BestEffort
	}
	return state.QOSUnknown
}

// trafficPolicy converts an external traffic policy.
func trafficPolicy(p string) state.TrafficPolicy {
	switch corev1.ServiceExternalTrafficPolicy(p) {
	case corev1.ServiceExternalTrafficPolicyCluster:
		return state.TrafficPolicyCluster
	case corev1.ServiceExternalTrafficPolicyLocal:
		return state.TrafficPolicyLocal
	}
	return state.TrafficPolicyNone
}
