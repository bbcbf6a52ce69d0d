/** What a failure to reach an agent means, and what to do about it. */
export interface Advice {
  title: string
  action: string
}

const agentLog = 'The log of rollcall-agent has more details.'

/** Advice by reason. The reasons are those of the Ready condition of a ClusterAgent. */
const adviceByReason: { [reason: string]: Advice } = {
  DialFailed: {
    title: 'No connection to the agent',
    action:
      'Check that rollcall-agent runs in the cluster, ' +
      'and that spec.endpoint of the ClusterAgent is reachable from the hub.',
  },
  NotLinked: {
    title: 'The agent is not connected',
    action:
      'The agent has to dial the master. Check that rollcall-agent runs with --hub and the address of this hub, ' +
      `and that its key is in spec.tls.pinnedSHA256 of the ClusterAgent. ${agentLog}`,
  },
  CertificateRefused: {
    title: 'The certificate of the agent is not trusted',
    action:
      'Set spec.tls.pinnedSHA256 of the ClusterAgent to the pin that rollcall-agent certgen printed, ' +
      'or spec.tls.caBundle to the CA that issued the certificate.',
  },
  Unauthorized: {
    title: "The agent rejects the master's signature",
    action:
      'The message names the cause. If the key is refused, add the public key of the master to the ' +
      '--master-public-key-file of the agent. If the token or a signature is missing, start the master with ' +
      '--signing-key-file. If a proxy in between terminates TLS, let it pass TLS through, or start the agent with ' +
      '--channel-binding=off.',
  },
  ClockSkew: {
    title: 'The clocks of master and agent differ',
    action: 'Correct the clocks of both machines, for example with NTP.',
  },
  ProtocolUnsupported: {
    title: 'Master and agent have no protocol version in common',
    action: 'Update the older of the two.',
  },
  ProtocolError: {
    title: 'The reports of the agent cannot be processed',
    action:
      'If the message names a memory limit, raise --cluster-max-memory or --state-max-memory of the master. ' +
      `Otherwise check whether a proxy in between modifies messages. ${agentLog}`,
  },
  Busy: {
    title: 'The agent has no free session',
    action:
      'It already reports to as many masters as it allows. Check which other masters have this cluster registered.',
  },
  AgentNotReady: {
    title: 'The agent cannot read its cluster',
    action: `Check the API server of the cluster, and the RBAC permissions of the agent's service account. ${agentLog}`,
  },
  EndpointInvalid: {
    title: 'The endpoint is invalid',
    action:
      'Correct spec.endpoint of the ClusterAgent: wss://host:port. ' +
      'An endpoint with ws:// requires --insecure of the master.',
  },
  TLSInvalid: {
    title: 'The TLS settings are invalid',
    action: 'Correct spec.tls of the ClusterAgent: caBundle must contain a PEM certificate.',
  },
  ClusterUIDMismatch: {
    title: 'The agent belongs to another cluster',
    action:
      'If the cluster was replaced on purpose, set spec.clusterUID of the ClusterAgent to the UID in the message.',
  },
  WrongCluster: {
    title: 'The agent has another cluster name',
    action: 'Set --cluster-name of the agent to the name of the ClusterAgent.',
  },
  PeriodNotGranted: {
    title: 'The agent granted a report period that is too long',
    action:
      'Raise spec.reporting.cacheTTL of the ClusterAgent, lower --min-request-period of the agent, ' +
      'or raise its --max-session.',
  },
}

/** Reasons with which an agent is reachable. */
const reachableReasons = new Set(['Succeeded', 'AwaitingFirstContact', 'Suspended', 'ClockSkew'])

/** Returns the advice for a reason; undefined if there is none. */
export function adviceFor(reason: string | undefined): Advice | undefined {
  return reason !== undefined && Object.hasOwn(adviceByReason, reason) ? adviceByReason[reason] : undefined
}

/** Reports whether the last attempt to reach an agent failed. */
export function isUnreachable(s: { phase?: string; reason?: string }): boolean {
  return s.phase === 'Backoff' || (s.phase === 'Idle' && s.reason !== undefined && !reachableReasons.has(s.reason))
}

/** Returns why an agent cannot be reached, in one line. */
export function unreachableText(s: { reason?: string; message?: string }): string {
  return [adviceFor(s.reason)?.title, s.message].filter(Boolean).join(': ') || 'the agent does not respond'
}
