package import Catalog
package import MCPModel

/// A named set of principals: those named, and those whose token says so.
package struct Team: Hashable, Sendable {
    /// What a token must say. Each claim must be there with one of its values.
    package struct Claims: Hashable, Sendable {
        /// `nil`: of any issuer that this node takes tokens from.
        package var issuer: Glob?
        package var values: [String: [Glob]]

        package init(issuer: Glob? = nil, values: [String: [Glob]]) {
            self.issuer = issuer
            self.values = values
        }

        func hold(for principal: Principal) -> Bool {
            guard !values.isEmpty, issuer?.matches(principal.caller.issuer) ?? true else { return false }
            return values.allSatisfy { name, wanted in
                principal.claims[name, default: []].contains { said in wanted.contains { $0.matches(said) } }
            }
        }
    }

    package var name: Label
    /// No teams among them: a team of teams would have to be looked for in circles.
    package var members: [PrincipalPattern]
    package var claims: Claims?

    package init(_ name: Label, members: [PrincipalPattern] = [], claims: Claims? = nil) {
        self.name = name
        self.members = members
        self.claims = claims
    }

    package func contains(_ principal: Principal) -> Bool {
        members.contains { $0.fits(principal.caller) } || claims?.hold(for: principal) ?? false
    }
}
