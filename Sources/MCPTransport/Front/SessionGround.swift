/// What all sessions of a front stand on, in memory once: of sessions there are thousands.
final class SessionGround: Sendable {
    let service: MCPService
    let limits: FrontLimits

    init(_ service: MCPService, _ limits: FrontLimits) {
        self.service = service
        self.limits = limits
    }
}
