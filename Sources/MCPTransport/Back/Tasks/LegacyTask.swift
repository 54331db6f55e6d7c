/// One task at a legacy backend.
final class LegacyTask: Sendable {}
