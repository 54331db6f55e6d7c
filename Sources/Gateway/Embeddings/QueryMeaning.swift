/// What a query means, as far as it could be found out.
enum QueryMeaning: Hashable, Sendable {
    /// What the compiled-in model says, which is asked when it is needed.
    case ofModel
    case vector([Float], space: Int)
    /// Why an endpoint did not say it, for an operator.
    case unknown(String)

    /// - Parameter step: none that is still to be asked.
    init(_ step: EmbeddingAgenda.QueryStep) {
        switch step {
        case .known(let vector, let space): self = .vector(vector, space: space)
        case .not(let trouble): self = .unknown(trouble.description)
        case .ask: self = .unknown("it was not asked")
        }
    }
}

/// What a search did without.
struct MeaningRemark: Hashable, Sendable {
    /// In full.
    var text: String
    /// For clients of endpoints, who have no business with addresses and credentials of this node, nor with how many tools there are
    /// that they may not see.
    var brief: String

    static func query(_ reason: String) -> MeaningRemark {
        MeaningRemark(
            text: "ranked by words alone: \(reason)",
            brief: "ranked by words alone, since the meaning of the query could not be found out just now")
    }

    /// - Parameter reason: why, where something is wrong.
    static func documents(_ count: Int, of total: Int, _ reason: EmbeddingTrouble?) -> MeaningRemark {
        let why = "ranked by words alone, since their meaning is not known yet"
        return MeaningRemark(
            text: "\(count) of \(total) \(why)" + (reason.map { ": \($0)" } ?? ""),
            brief: "some tools are \(why)")
    }
}
