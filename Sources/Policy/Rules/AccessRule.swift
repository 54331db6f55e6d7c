import JSONSlice

/// One line of `access.rules`: lets some do something, or keeps them from it.
package struct AccessRule: Hashable, Sendable {
    package enum Effect: String, Hashable, Sendable, CaseIterable {
        case allow
        case deny
    }

    /// What a person called it, or where it stands in the file.
    package var name: String
    package var effect: Effect
    package var verbs: Set<AccessVerb>
    package var scope: AccessScope
    /// All must hold. They are about calls: what may be seen cannot depend on arguments that nobody has given.
    package var conditions: [ArgumentCondition]
    /// Whether what it allows needs a record on stable storage before it is done.
    package var isRecordRequired: Bool

    package init(
        _ name: String, _ effect: Effect, _ verbs: Set<AccessVerb>, _ scope: AccessScope = AccessScope(),
        when conditions: [ArgumentCondition] = [], isRecordRequired: Bool = false
    ) {
        self.isRecordRequired = isRecordRequired
        self.name = name
        self.effect = effect
        self.verbs = verbs
        self.scope = scope
        self.conditions = conditions
    }

    /// Whether it is about doing this with that, arguments apart.
    ///
    /// Who may use something may see it; who may not see it may not use it.
    func covers(_ verb: AccessVerb, of target: AccessTarget) -> Bool {
        says(verb, of: target) && scope.fits(target)
    }

    private func says(_ verb: AccessVerb, of target: AccessTarget) -> Bool {
        switch effect {
        case .allow: verbs.contains(verb) || (verb == .see && verbs.contains(.use(of: target.kind)))
        case .deny: (verbs.contains(verb) && (verb != .see || conditions.isEmpty)) || deniesSight
        }
    }

    /// Whether what it is about is not there for those it is about.
    var deniesSight: Bool { effect == .deny && verbs.contains(.see) && conditions.isEmpty }

    func holds(of arguments: JSON) -> Bool { conditions.allSatisfy { $0.holds(of: arguments) } }
}
