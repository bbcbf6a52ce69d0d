package kube

import (
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// batchObjects returns Jobs that succeed, fail or keep running, and a CronJob.
func batchObjects() []any {
	parallel := job("import")
	parallel.Spec.Completions, parallel.Spec.Parallelism = new(int32(4)), new(int32(2))
	failing := job("broken", withBehavior(BehaviorFailed))
	failing.Spec.BackoffLimit = new(int32(0))
	return []any{parallel, failing, job("endless", withBehavior(BehaviorEndless)), nightlyCron()}
}

// job returns a Job with one container.
func job(name string, options ...podOption) *batchv1.Job {
	t := template(name, []corev1.Container{container("work", "registry.example/batch:2", "100m", "64Mi")}, options...)
	t.Spec.RestartPolicy = corev1.RestartPolicyNever
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Namespace: NamespaceBatch, Name: name},
		Spec:       batchv1.JobSpec{Template: t},
	}
}

// nightlyCron returns a suspended CronJob.
func nightlyCron() *batchv1.CronJob {
	return &batchv1.CronJob{
		ObjectMeta: metav1.ObjectMeta{Namespace: NamespaceBatch, Name: "nightly"},
		Spec: batchv1.CronJobSpec{
			Schedule: "0 3 * * *", Suspend: new(true),
			JobTemplate: batchv1.JobTemplateSpec{Spec: job("nightly").Spec},
		},
	}
}
