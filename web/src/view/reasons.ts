/** What is the matter with an agent, in words, and what to do about it. */
export interface Advice {
  is: string
  todo: string
}

const atTheAgent = "the log of rollcall-agent in its cluster tells more"

/** By the reasons of Ready that a ClusterAgent's status has too. */
const advice: { [reason: string]: Advice } = {
  DialFailed: { is: 'No agent answers', todo: 'Look whether rollcall-agent runs in its cluster, and whether spec.endpoint of its ClusterAgent leads there from the hub.' },
  CertificateRefused: { is: 'Its certificate is not trusted', todo: 'Put what rollcall-agent certgen printed into spec.tls.pinnedSHA256 of its ClusterAgent, or who issued it into spec.tls.caBundle.' },
  Unauthorized: { is: 'The agent refuses this master', todo: "Give the agent the public key that belongs to the master's --signing-key-file." },
  ClockSkew: { is: 'Its clock is off', todo: 'Set the clocks of both machines right.' },
  ProtocolUnsupported: { is: 'Master and agent do not speak the same protocol', todo: 'Update the older of the two.' },
  ProtocolError: { is: 'What the agent says cannot be followed', todo: `Look whether something between the two changes what they send; ${atTheAgent}.` },
  Busy: { is: 'The agent reports to others', todo: 'It serves as many masters as it can: look who else has it registered.' },
  AgentNotReady: { is: 'The agent cannot read its cluster', todo: `Look at the API server of the cluster and at the rights of the agent's service account; ${atTheAgent}.` },
  EndpointInvalid: { is: 'Its endpoint cannot be dialed', todo: 'Correct spec.endpoint of its ClusterAgent: wss://host:port.' },
  TLSInvalid: { is: 'Its TLS settings cannot be used', todo: 'Correct spec.tls of its ClusterAgent.' },
  ClusterUIDMismatch: { is: 'Another cluster answers', todo: 'If that is right, set spec.clusterUID of its ClusterAgent to the cluster that answers.' },
  WrongCluster: { is: 'The agent answers for another name', todo: "The agent's --cluster-name has to be the name of the ClusterAgent." },
  PeriodNotGranted: { is: 'The agent grants no such session', todo: "Bring spec.reporting of its ClusterAgent and the agent's --min-request-period and --max-session together." },
}

/** Reasons that speak of no failure, or of none that keeps the agent from being reached. */
const harmless = new Set(['Succeeded', 'AwaitingFirstContact', 'Suspended', 'ClockSkew'])

export function adviceFor(reason: string | undefined): Advice | undefined {
  return reason !== undefined && Object.hasOwn(advice, reason) ? advice[reason] : undefined
}

/** Whether an agent could not be reached when it was called last. */
export function failing(s: { phase: string; reason?: string }): boolean {
  return s.phase === 'Backoff' || (s.phase === 'Idle' && s.reason !== undefined && !harmless.has(s.reason))
}

/** Why an agent cannot be reached, in a line. */
export function failure(s: { reason?: string; message?: string }): string {
  return [adviceFor(s.reason)?.is, s.message].filter(Boolean).join(': ') || 'the agent does not answer'
}
