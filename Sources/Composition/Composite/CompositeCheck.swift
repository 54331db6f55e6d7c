import JSONSlice

/// What has to fit together in a composite, as far as that can be told without the mesh: ids, what pointers name, bounds.
struct CompositeCheck<Server: ServerReference> {
    let stages: [StageDraft<Server>]
    let inputSchema: JSON?
    let result: ValueTemplate?

    func report(to section: inout ConfigSection) {
        let ids = stages.flatMap(\.ids)
        if ids.count > CompositeLimits.stepsMax {
            section.report(
                "steps", "\(ids.count) steps are more than the \(CompositeLimits.stepsMax) allowed")
        }
        var seen: Set<String> = []
        for id in ids where !id.isEmpty && !seen.insert(id).inserted {
            section.report("steps", "more than one step is called \(id)")
        }
        let pointers = stages.flatMap { $0.steps.flatMap(\.step.pointers) } + (result?.pointers ?? [])
        if pointers.count > CompositeLimits.pointersMax {
            section.report(
                "\(pointers.count) pointers are more than the \(CompositeLimits.pointersMax) of one composite"
            )
        }
        var earlier: Set<String> = []
        for stage in stages {
            for place in stage.steps {
                report(place, beside: stage.ids, after: earlier, to: &section)
            }
            earlier.formUnion(stage.ids)
        }
        reportResult(all: earlier, to: &section)
    }

    private func report(
        _ place: StageDraft<Server>.Place, beside: [String], after earlier: Set<String>,
        to section: inout ConfigSection
    ) {
        let step = place.step
        let parts: [(String, [StepPointer])] = [
            ("forEach", step.forEach.map { [$0] } ?? []), ("when", step.when.map(\.value)),
            ("arguments", step.arguments.pointers),
        ]
        for (key, pointers) in parts {
            for pointer in pointers {
                var problem = self.problem(with: pointer, after: earlier, beside: beside, itself: step.id)
                if problem == nil, pointer.root == .item || pointer.root == .index {
                    if step.forEach == nil { problem = "there is an item only under forEach" }
                    if key == "forEach" { problem = "there is no item before there is a list" }
                }
                if let problem {
                    section.report(at: place.path.key(key), "step \(step.id): \(pointer): \(problem)")
                }
            }
        }
    }

    private func reportResult(all: Set<String>, to section: inout ConfigSection) {
        for pointer in result?.pointers ?? [] {
            if pointer.root == .item || pointer.root == .index {
                section.report("result", "\(pointer): there is an item only in a step with forEach")
            } else if let problem = problem(with: pointer, after: all, beside: [], itself: nil) {
                section.report("result", "\(pointer): \(problem)")
            }
        }
        guard result == nil, !section.has("result"), let last = stages.last else { return }
        if last.ids.count > 1 || last.steps.contains(where: { $0.step.forEach != nil }) {
            section.report(
                "its last step has more than one result; add result:, which says what the answer is")
        }
    }

    /// What is wrong with what a pointer names.
    private func problem(
        with pointer: StepPointer, after earlier: Set<String>, beside: [String], itself: String?
    ) -> String? {
        switch pointer.root {
        case .item, .index: return nil
        case .input:
            guard let name = pointer.inputName, inputSchema?["patternProperties"] == nil,
                let known = inputSchema?["properties"]?.members.map(\.key), !known.contains(name)
            else { return nil }
            return "inputSchema has no property \(name)"
                + (NearestName.to(name, among: known).map { "; did you mean \($0)?" } ?? "")
        case .step(let id):
            if earlier.contains(id) { return nil }
            if id == itself { return "it is this step itself" }
            if beside.contains(id) { return "\(id) runs beside it, not before it" }
            if stages.contains(where: { $0.ids.contains(id) }) { return "\(id) comes after it" }
            return "there is no step \(id)"
                + (NearestName.to(id, among: earlier.sorted()).map { "; did you mean \($0)?" } ?? "")
        }
    }
}
