import Catalog
import Foundation
import Testing

@testable import MeshTransport

extension MeshOfOne {
    /// A mesh around a new node called `label` on segment `here`.
    static func founded(label: String = "first", at now: Date = Date()) throws -> MeshOfOne {
        try found(
            nodeKey: .init(), label: #require(Label(label)), segment: Label("here"), at: now)
    }
}
