package import JSONSlice
import MCPModel
package import MCPTransport
import Synchronization

/// A modern server whose resources are watched, as what stands behind a front: it tells of updates when the test says so.
package final class WatchProbe: Sendable {
    private struct State: Sendable {
        var interests: [Int: ResourceInterest] = [:]
        var lastNumber = 0
        var ended: [String] = []
        /// Wishes that wait for the test's word.
        var unsettled: [ResourceInterest] = []
    }

    private let offers: Bool
    private let isSlow: Bool
    private let refused: Set<String>
    private let state = Mutex(State())

    /// - Parameters:
    ///   - offers: whether it declares that resources can be watched.
    ///   - isSlow: whether it gives its word on a wish only when ``settle()`` is called.
    ///   - refused: URIs that it does not know.
    package init(offers: Bool = true, isSlow: Bool = false, refusing refused: Set<String> = []) {
        self.offers = offers
        self.isSlow = isSlow
        self.refused = refused
    }

    package var capabilities: JSON {
        [
            "tools": ["listChanged": true],
            "resources": offers ? ["subscribe": true, "listChanged": true] : ["listChanged": true],
        ]
    }

    /// What is watched now, each as often as it is.
    package var watched: [String] { state.withLock { $0.interests.values.map(\.uri).sorted() } }
    /// What is not watched any more, in order.
    package var ended: [String] { state.withLock { $0.ended } }

    package func update(_ uri: String, _ more: JSON = .emptyObject) {
        let interests = state.withLock { $0.interests.values.filter { $0.uri == uri } }
        var params: JSON = ["uri": .string(uri)]
        for (key, value) in more.members { params = params.setting(key, to: value) }
        for interest in interests { interest.updated(params) }
    }

    package func settle() {
        let unsettled = state.withLock { state in
            defer { state.unsettled = [] }
            return state.unsettled
        }
        for interest in unsettled { interest.settled(nil) }
    }

    package var service: MCPService {
        MCPService(
            door: .open,
            describe: { [capabilities] _, _ in
                EndpointDescription(
                    serverInfo: ["name": "watched", "version": "1"], capabilities: capabilities)
            },
            list: { _, _, _, _ in .success(ListPage(items: [])) },
            call: { _, sink in
                sink(.result(["resultType": "complete", "content": []]))
                return .finished
            },
            watch: { _, _, _ in .none },
            subscribe: { [self] interest in
                guard !refused.contains(interest.uri) else {
                    interest.settled(.unknownResource(uri: interest.uri))
                    return .none
                }
                let number = state.withLock { state in
                    state.lastNumber += 1
                    state.interests[state.lastNumber] = interest
                    if isSlow { state.unsettled.append(interest) }
                    return state.lastNumber
                }
                if !isSlow { interest.settled(nil) }
                return WatchToken { [self] in
                    state.withLock { state in
                        guard let gone = state.interests.removeValue(forKey: number) else { return }
                        state.ended.append(gone.uri)
                    }
                }
            })
    }
}
