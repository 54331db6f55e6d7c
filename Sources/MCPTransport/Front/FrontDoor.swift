package import JSONSlice
package import MCPModel

/// Who may come in at a front over HTTP; filled by the gateway.
///
/// Every closure is called on an event loop, and must neither block nor wait. `place` is the path of the endpoint that is asked, spelled
/// as it is published (`/servers/NAME/mcp`); `nil` where the name is none that anything can have.
package struct FrontDoor: Sendable {
    package typealias Decided = @Sendable (Authorization) -> Void

    /// Whether the sender of a request may speak here, and as whom. Asked once for each request. `Decided` is called once, at once or
    /// later and on any thread: an issuer's keys may have to be fetched first.
    package var admit: @Sendable (HTTPExchange, _ place: String?, @escaping Decided) -> Void
    /// The same of a request that was let in and whose stream is still open: asked every few seconds, and no attempt that counts against
    /// anybody.
    package var stillAdmits: @Sendable (HTTPExchange, _ place: String?, @escaping Decided) -> Void
    /// Why this sender's credential is not enough for what is asked; `nil`: it is (step-up: MCP 2025-11-25, basic/authorization).
    package var objection:
        @Sendable (HTTPExchange, _ place: String?, Principal, _ method: String) -> Authorization?
    /// Whether the same request would still be let in as the same caller, as a question that costs next to nothing; `nil` where only
    /// ``admit`` can tell. Whoever is let in by it is noted as ``admit`` would note it.
    package var lasting: @Sendable (HTTPExchange) -> (@Sendable () -> Bool)?
    /// What stands at `/.well-known/oauth-protected-resource` and under it (RFC 9728 §3), `place` being what
    /// follows, `nil` for nothing; answers `nil`: nothing.
    package var resourceMetadata: @Sendable (HTTPExchange, _ place: String?) -> JSON?

    package init(
        admit: @escaping @Sendable (HTTPExchange, _ place: String?, @escaping Decided) -> Void,
        stillAdmits: (@Sendable (HTTPExchange, _ place: String?, @escaping Decided) -> Void)? = nil,
        objection:
            @escaping @Sendable (HTTPExchange, _ place: String?, Principal, _ method: String) ->
            Authorization? = {
                _, _, _, _ in nil
            },
        lasting: @escaping @Sendable (HTTPExchange) -> (@Sendable () -> Bool)? = { _ in nil },
        resourceMetadata: @escaping @Sendable (HTTPExchange, _ place: String?) -> JSON? = { _, _ in nil }
    ) {
        self.admit = admit
        self.stillAdmits = stillAdmits ?? admit
        self.objection = objection
        self.lasting = lasting
        self.resourceMetadata = resourceMetadata
    }

    /// One that never has to ask anybody.
    package init(deciding: @escaping @Sendable (HTTPExchange) -> Authorization) {
        self.init(admit: { exchange, _, decided in decided(deciding(exchange)) })
    }

    /// The same door, and whoever counts is told of each request that it refuses; of step-up too.
    package func tellingRefusals(_ tell: @escaping @Sendable () -> Void) -> FrontDoor {
        let (admit, objection) = (admit, objection)
        return FrontDoor(
            admit: { exchange, place, decided in
                admit(exchange, place) { answer in
                    if case .refused = answer { tell() }
                    decided(answer)
                }
            },
            stillAdmits: stillAdmits,
            objection: { exchange, place, principal, method in
                let answer = objection(exchange, place, principal, method)
                if answer != nil { tell() }
                return answer
            },
            lasting: lasting, resourceMetadata: resourceMetadata)
    }

    /// For everybody.
    package static let open = FrontDoor(deciding: { _ in .allowed(.anonymous) })
}
