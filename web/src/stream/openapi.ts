// Generated from docs/openapi.json by `make generate`. Do not edit.

export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        Event: {
            /** @description Name of the cluster, in streams of the list of clusters. */
            cluster?: string;
            /** @enum {string} */
            kind: "Node";
            object: components["schemas"]["Node"];
            /** @description Where to resume after this event. */
            resourceVersion: string;
            /** @enum {string} */
            type: "ADDED" | "MODIFIED" | "DELETED";
        } | {
            /** @description Name of the cluster, in streams of the list of clusters. */
            cluster?: string;
            /** @enum {string} */
            kind: "Pod";
            object: components["schemas"]["Pod"];
            /** @description Where to resume after this event. */
            resourceVersion: string;
            /** @enum {string} */
            type: "ADDED" | "MODIFIED" | "DELETED";
        } | {
            /** @description Name of the cluster, in streams of the list of clusters. */
            cluster?: string;
            /** @enum {string} */
            kind: "Container";
            object: components["schemas"]["Container"];
            /** @description Where to resume after this event. */
            resourceVersion: string;
            /** @enum {string} */
            type: "ADDED" | "MODIFIED" | "DELETED";
        } | {
            /** @description Name of the cluster, in streams of the list of clusters. */
            cluster?: string;
            /** @enum {string} */
            kind: "Port";
            object: components["schemas"]["Port"];
            /** @description Where to resume after this event. */
            resourceVersion: string;
            /** @enum {string} */
            type: "ADDED" | "MODIFIED" | "DELETED";
        } | {
            /** @description Name of the cluster, in streams of the list of clusters. */
            cluster?: string;
            /** @enum {string} */
            kind: "Summary";
            object: components["schemas"]["Summary"];
            /** @description Where to resume after this event. */
            resourceVersion: string;
            /** @enum {string} */
            type: "ADDED" | "MODIFIED" | "DELETED";
        } | {
            /** @description Name of the cluster, in streams of the list of clusters. */
            cluster?: string;
            /** @enum {string} */
            kind: "Usage";
            object: components["schemas"]["Usage"];
            /** @description Where to resume after this event. */
            resourceVersion: string;
            /** @enum {string} */
            type: "ADDED" | "MODIFIED" | "DELETED";
        } | {
            /** @description Name of the cluster, in streams of the list of clusters. */
            cluster?: string;
            /** @enum {string} */
            kind: "Session";
            object: components["schemas"]["Session"];
            /** @description Where to resume after this event. */
            resourceVersion: string;
            /** @enum {string} */
            type: "ADDED" | "MODIFIED" | "DELETED";
        } | {
            /** @description Name of the cluster, in streams of the list of clusters. */
            cluster?: string;
            /** @enum {string} */
            kind: "Cluster";
            object: components["schemas"]["Cluster"];
            /** @description Where to resume after this event. */
            resourceVersion: string;
            /** @enum {string} */
            type: "ADDED" | "MODIFIED" | "DELETED";
        } | {
            /** @description Name of the cluster, in streams of the list of clusters. */
            cluster?: string;
            object: components["schemas"]["Bookmark"] | components["schemas"]["FleetBookmark"];
            /** @description Where to resume after this event. */
            resourceVersion: string;
            /** @enum {string} */
            type: "BOOKMARK";
        } | {
            /** @description Name of the cluster, in streams of the list of clusters. */
            cluster?: string;
            object: components["schemas"]["Status"];
            /** @description Where to resume after this event. */
            resourceVersion?: string;
            /** @enum {string} */
            type: "ERROR";
        };
        ClusterList: {
            resourceVersion: string;
            continue?: string;
            clusters: components["schemas"]["Cluster"][];
        };
        Problem: {
            title: string;
            status: number;
            reason: string;
            detail: string;
            parameter?: string;
            cluster?: string;
            lastError?: string;
            /** Format: date-time */
            lastObservedAt?: string;
            lastKnown?: components["schemas"]["Summary"];
        };
        Status: {
            apiVersion: string;
            kind: string;
            metadata: Record<string, never>;
            status: string;
            reason: string;
            code: number;
            message: string;
        };
        SignedIn: {
            required: boolean;
            user?: string;
        };
        Credentials: {
            token: string;
        };
        Version: {
            version: string;
            local?: boolean;
        };
        Node: {
            name: string;
            ready: components["schemas"]["Tristate"];
            schedulable: boolean;
            conditions?: components["schemas"]["NodeCondition"][];
            roles?: string[];
            addresses?: components["schemas"]["NodeAddress"][];
            zone?: string;
            region?: string;
            instanceType?: string;
            taints?: components["schemas"]["Taint"][];
            kubeletVersion?: string;
            kubeProxyVersion?: string;
            kernelVersion?: string;
            osImage?: string;
            architecture?: string;
            containerRuntime?: string;
            systemUUID?: string;
            providerID?: string;
            podCIDR?: string;
            /** Format: date-time */
            createdAt?: string;
            capacity: components["schemas"]["Resources"];
            allocatable: components["schemas"]["Resources"];
            /** Format: date-time */
            notReadySince?: string;
            /** Format: date-time */
            flappingSince?: string;
            mute?: string;
            requested?: components["schemas"]["Resources"];
            limits?: components["schemas"]["Resources"];
            pods?: number;
            used?: components["schemas"]["Used"];
        };
        Pod: {
            namespace: string;
            name: string;
            /** Format: uuid */
            uid?: string;
            node?: string;
            status: string;
            ready: string;
            restarts: number;
            /** Format: date-time */
            lastRestartAt?: string;
            phase: components["schemas"]["PodPhase"];
            reason?: string;
            message?: string;
            podIPs?: string[];
            hostIP?: string;
            hostNetwork?: boolean;
            qosClass?: components["schemas"]["QOSClass"];
            restartPolicy?: components["schemas"]["RestartPolicy"];
            priorityClass?: string;
            priority?: number;
            serviceAccount?: string;
            terminating?: boolean;
            /** Format: date-time */
            createdAt?: string;
            /** Format: date-time */
            startedAt?: string;
            /** Format: date-time */
            finishedAt?: string;
            /** Format: date-time */
            deletionAt?: string;
            owner: components["schemas"]["Owner"];
            controller?: components["schemas"]["Owner"];
            requested: components["schemas"]["Resources"];
            limits: components["schemas"]["Resources"];
            storage?: components["schemas"]["Volume"][];
            /** Format: date-time */
            unschedulableSince?: string;
            /** Format: date-time */
            notReadySince?: string;
            mute?: string;
        };
        Container: {
            namespace: string;
            pod: string;
            name: string;
            node?: string;
            image: string;
            imageID?: string;
            kind: components["schemas"]["ContainerKind"];
            state: components["schemas"]["ContainerState"];
            ready: boolean;
            restarts: number;
            reason?: string;
            message?: string;
            /** Format: date-time */
            startedAt?: string;
            /** Format: date-time */
            finishedAt?: string;
            /** Format: date-time */
            notReadySince?: string;
            /** Format: date-time */
            crashLoopSince?: string;
            last?: components["schemas"]["LastTermination"];
            requests: components["schemas"]["Resources"];
            limits: components["schemas"]["Resources"];
            exitCode?: number;
            used?: components["schemas"]["Used"];
        };
        Port: {
            node: string;
            address?: string;
            protocol: components["schemas"]["Protocol"];
            port: number;
            kind: components["schemas"]["PortKind"];
            namespace?: string;
            service?: string;
            servicePort?: components["schemas"]["ServicePort"];
            pod?: string;
            externalTrafficPolicy?: components["schemas"]["TrafficPolicy"];
            targets: components["schemas"]["Target"][];
            conflicts?: components["schemas"]["PortKey"][];
        };
        Summary: {
            nodes: components["schemas"]["NodeCounts"];
            pods: components["schemas"]["PodCounts"];
            containers: components["schemas"]["ContainerCounts"];
            capacity: components["schemas"]["Resources"];
            allocatable: components["schemas"]["Resources"];
            requested: components["schemas"]["Resources"];
            limits: components["schemas"]["Resources"];
            used?: components["schemas"]["UsedSum"];
            fragmentation: components["schemas"]["FreeResources"];
            ports: components["schemas"]["PortCounts"];
            healthy: boolean;
            problems: components["schemas"]["ClusterProblem"][];
            problemCount: number;
            problemCounts: components["schemas"]["ProblemCounts"];
            more: components["schemas"]["ProblemCounts"];
            muted: number;
        };
        Usage: {
            /** Format: date-time */
            sampledAt?: string;
            nodes: {
                [key: string]: number[];
            };
            containers: {
                [key: string]: number[];
            };
        };
        Session: {
            id?: string;
            phase?: components["schemas"]["Phase"];
            /** Format: date-time */
            startedAt?: string;
            /** Format: date-time */
            expiresAt?: string;
            reason?: string;
            message?: string;
            suspended?: boolean;
            stale: boolean;
            sections?: components["schemas"]["Section"][];
        };
        Cluster: {
            name: string;
            clusterIPs?: string[];
            uid?: string;
            kubernetesVersion?: string;
            agentVersion?: string;
            suspended?: boolean;
            session: components["schemas"]["ClusterSession"];
            resourceVersion?: string;
            /** Format: date-time */
            observedAt?: string;
            /** Format: date-time */
            receivedAt?: string;
            stale: boolean;
            summary?: components["schemas"]["Summary"];
            display?: components["schemas"]["Display"];
        };
        Bookmark: {
            resourceVersion: string;
            /** Format: date-time */
            observedAt?: string;
            /** Format: date-time */
            receivedAt: string;
            stale: boolean;
            session: components["schemas"]["ClusterSession"];
            annotations?: {
                [key: string]: string;
            };
        };
        FleetBookmark: {
            resourceVersion: string;
            annotations?: {
                [key: string]: string;
            };
        };
        /** @enum {string} */
        Tristate: "Unknown" | "True" | "False";
        NodeCondition: {
            type: string;
            status: components["schemas"]["Tristate"];
            reason?: string;
            message?: string;
            /** Format: date-time */
            since?: string;
        };
        NodeAddress: {
            type: string;
            address: string;
        };
        Taint: {
            key: string;
            value?: string;
            effect: string;
        };
        Resources: {
            cpuMillis: number;
            memoryBytes: number;
            ephemeralStorageBytes: number;
            pods?: number;
            extended?: {
                [key: string]: number;
            };
        };
        Used: {
            cpuMillis: number;
            memoryBytes: number;
            /** Format: date-time */
            sampledAt?: string;
        };
        /** @enum {string} */
        PodPhase: "Unknown" | "Pending" | "Running" | "Succeeded" | "Failed";
        /** @enum {string} */
        QOSClass: "" | "Guaranteed" | "Burstable" | "BestEffort";
        /** @enum {string} */
        RestartPolicy: "" | "Always" | "OnFailure" | "Never";
        Owner: {
            kind: string;
            name: string;
        };
        Volume: {
            name?: string;
            claim: string;
            capacityBytes?: number;
            mountPath?: string;
            ephemeral?: boolean;
        };
        /** @enum {string} */
        ContainerKind: "" | "main" | "init" | "sidecar" | "ephemeral";
        /** @enum {string} */
        ContainerState: "unknown" | "running" | "waiting" | "terminated";
        LastTermination: {
            reason?: string;
            exitCode: number;
            /** Format: date-time */
            finishedAt?: string;
        };
        /** @enum {string} */
        Protocol: "" | "TCP" | "UDP" | "SCTP";
        /** @enum {string} */
        PortKind: "" | "NodePort" | "HealthCheckNodePort" | "HostPort" | "HostNetwork" | "LoadBalancer" | "ExternalIP" | "Kubelet";
        ServicePort: {
            name?: string;
            port: number;
        };
        /** @enum {string} */
        TrafficPolicy: "" | "Cluster" | "Local";
        Target: {
            addresses?: string[];
            namespace?: string;
            pod?: string;
            container?: string;
            containerPort?: number;
            node?: string;
            ready: boolean;
            serving: boolean;
            terminating?: boolean;
        };
        PortKey: {
            node: string;
            address?: string;
            protocol: components["schemas"]["Protocol"];
            port: number;
            kind: components["schemas"]["PortKind"];
            namespace?: string;
            service?: string;
            pod?: string;
        };
        NodeCounts: {
            total: number;
            ready: number;
            schedulable: number;
        };
        PodCounts: {
            total: number;
            pending: number;
            running: number;
            succeeded: number;
            failed: number;
            unknown: number;
            terminating: number;
        };
        ContainerCounts: {
            total: number;
            running: number;
            waiting: number;
            terminated: number;
            unknown: number;
            restarts: number;
            desired: number;
            ready: number;
        };
        UsedSum: {
            cpuMillis: number;
            memoryBytes: number;
            /** Format: date-time */
            sampledAt?: string;
            nodes: number;
        };
        FreeResources: {
            cpuMillis: number;
            memoryBytes: number;
        };
        PortCounts: {
            taken: number;
            conflicts: number;
        };
        ClusterProblem: {
            severity: components["schemas"]["Severity"];
            kind: string;
            what: string;
            where: string;
            owner?: components["schemas"]["Owner"];
            /** Format: date-time */
            since?: string;
            message?: string;
            count: number;
            others?: string[];
            muted?: string;
        };
        ProblemCounts: {
            critical: number;
            warning: number;
            info: number;
        };
        /** @enum {string} */
        Phase: "Idle" | "Connecting" | "Reporting" | "Backoff";
        Section: {
            name: components["schemas"]["SectionName"];
            /** Format: date-time */
            observedAt?: string;
            error?: components["schemas"]["SectionError"];
        };
        ClusterSession: {
            id?: string;
            phase?: components["schemas"]["Phase"];
            /** Format: date-time */
            startedAt?: string;
            /** Format: date-time */
            expiresAt?: string;
            reason?: string;
            message?: string;
        };
        Display: {
            nodes: string;
            containers: string;
            cpuRequested: string;
            memoryRequested: string;
            cpuUsed: string;
            memoryUsed: string;
        };
        /** @enum {string} */
        Severity: "" | "critical" | "warning" | "info";
        /** @enum {string} */
        SectionName: "nodes" | "pods" | "network" | "storage" | "usage";
        SectionError: {
            reason: string;
            message?: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
