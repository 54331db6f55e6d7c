import JSONSlice

/// A call that has not ended: it runs, or it waits for its caller.
struct OpenStepCall: Sendable {
    struct Wait: Sendable {
        var requests: [(key: String, value: JSON)]
        var state: JSON?
        var bytes: Int
        /// Whether the caller has been told of it.
        var isAsked = false
    }

    let place: StepPlace
    let params: JSON
    var wait: Wait?
}
