import Catalog
import Composition
import MCPTransport
import MeshTransport

/// `/metrics`: what this node counts, and how it stands at the moment of the question (docs/reference/metrics.md).
extension Node {
    package static let metricsContentType = MetricsPage.contentType

    /// - Complexity: O(servers and nodes of the mesh); reads `/proc`, and waits for nothing that a call waits for.
    package func metrics() async -> String {
        let snapshot = board.snapshot
        let names = NodeNames(snapshot)
        var page = MetricsPage()
        page.gauge(
            "martlet_build_info", "The version that runs.",
            [([("version", SoftwareVersion.current)], .count(1))])
        page.gauge(
            "martlet_node_info", "Which node this is.",
            [
                (
                    [
                        ("node", seat.label.text), ("segment", seat.segment.text),
                        ("id", snapshot.me.description), ("mesh", seat.mesh.description),
                    ], .count(1)
                )
            ])
        page.gauge("martlet_ready", "Whether the start is over.", .count(isReady ? 1 : 0))
        recorder.metrics.write(to: &page) { names[$0] }
        writeFront(to: &page)
        await writeServers(to: &page, snapshot)
        writeMesh(to: &page, snapshot)
        writeRecords(to: &page)
        page.gauge(
            "martlet_vault_sealed", "Whether the vault is sealed.", .count(secrets.sealed == nil ? 0 : 1))
        ProcessFigures.read().write(to: &page)
        return page.text
    }

    private func writeFront(to page: inout MetricsPage) {
        let standing = front.standing
        page.counter(
            "martlet_door_refusals_total", "Requests refused before it was clear what they wanted.",
            .count(recorder.refusalsAtDoor))
        page.gauge(
            "martlet_http_connections_open", "Connections to the MCP listener.",
            .count(listener.connectionCount))
        page.gauge(
            "martlet_sessions_open", "Legacy sessions, by transport.",
            [
                ([("transport", "streamable_http")], .count(standing.sessions)),
                ([("transport", "http_sse")], .count(standing.eventSessions)),
            ])
        page.gauge(
            "martlet_streams_open", "Server-sent event streams to clients.", .count(standing.streams))
    }

    private func writeServers(to page: inout MetricsPage, _ snapshot: CatalogSnapshot) async {
        let books = await supervisor.books
        page.gauge(
            "martlet_servers", "This node's servers, by state.",
            ServerState.allCases.map { state in
                ([("state", state.metricLabel)], .count(books.count { $0.state == state }))
            })
        page.gauge(
            "martlet_server_up", "Whether a server of this node is up or degraded.",
            books.sorted { $0.definition.name < $1.definition.name }.prefix(CallMetrics.serversMax).map {
                (
                    [("server", $0.definition.name.text)],
                    .count($0.state == .up || $0.state == .degraded ? 1 : 0)
                )
            })
        page.gauge(
            "martlet_catalog_servers", "Servers that this node knows of, the whole mesh's.",
            .count(snapshot.servers.count))
        page.gauge(
            "martlet_catalog_entries", "Tools, resources, templates and prompts of those.",
            .count(snapshot.servers.values.reduce(0) { $0 + ($1.manifest?.entries.count ?? 0) }))
        page.gauge(
            "martlet_virtual_servers", "Virtual servers that this node serves.",
            .count(snapshot.virtualServers.count))
    }

    private func writeMesh(to page: inout MetricsPage, _ snapshot: CatalogSnapshot) {
        let peers = snapshot.nodes.values.filter { $0.id != snapshot.me }
        let reached = peers.count(where: \.isReachable)
        page.gauge(
            "martlet_mesh_peers", "Other nodes that are known, by whether a path of links leads there.",
            [
                ([("state", "reachable")], .count(reached)),
                ([("state", "unreachable")], .count(peers.count - reached)),
            ])
        let links = seat.service?.linkStatus ?? []
        page.gauge(
            "martlet_mesh_links_up", "Links of this node, by kind.",
            [
                ([("kind", "direct")], .count(links.count { $0.via.isEmpty })),
                ([("kind", "circuit")], .count(links.count { !$0.via.isEmpty })),
            ])
        page.gauge(
            "martlet_mesh_streams_open", "Calls and circuits on those links.",
            .count(links.reduce(0) { $0 + $1.streams }))
        page.gauge(
            "martlet_mesh_floods", "Nodes that say more than is taken in, now.", .count(seat.floods.count))
        let tally = seat.service?.linkTally ?? .none
        page.counter(
            "martlet_mesh_links_opened_total", "Links that came up since this node's part in its mesh began.",
            .count(tally.opened))
        page.counter(
            "martlet_mesh_route_changes_total", "How often the ways to other nodes were others than before.",
            .count(tally.routeChanges))
        page.counter(
            "martlet_mesh_link_bytes_total", "Bytes of frames on all links, circuits' too, inside of TLS.",
            [
                ([("direction", "sent")], .count(tally.bytesSent)),
                ([("direction", "received")], .count(tally.bytesReceived)),
            ])
        page.counter(
            "martlet_mesh_stream_frames_total", "Frames of calls and circuits on all links.",
            [
                ([("direction", "sent")], .count(tally.streamFramesSent)),
                ([("direction", "received")], .count(tally.streamFramesReceived)),
            ])
        page.counter(
            "martlet_mesh_gossip_bytes_total", "Of those, what nodes tell one another of the mesh itself.",
            [
                ([("direction", "sent")], .count(tally.gossipBytesSent)),
                ([("direction", "received")], .count(tally.gossipBytesReceived)),
            ])
    }

    private func writeRecords(to page: inout MetricsPage) {
        guard let records else { return }
        let counts = records.counts
        page.counter("martlet_records_written_total", "Records of calls on disk.", .count(counts.written))
        page.counter("martlet_records_lost_total", "Records that could not be written.", .count(counts.lost))
        page.gauge(
            "martlet_records_waiting", "Calls that have ended and whose records are not written yet.",
            .count(records.waiting))
    }
}

extension ServerState {
    /// As label values are spelled.
    fileprivate var metricLabel: String { self == .authNeeded ? "auth_needed" : description }
}
