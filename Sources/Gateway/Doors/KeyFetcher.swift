import MCPTransport
import Policy
import Tokens

/// Fetches sets of keys over HTTP, from where ``FetchGuard`` lets it go and nowhere else.
final class KeyFetcher: Sendable {
    private let http: HTTPClient

    init(settings: AuthSettings, limits: HTTPClientLimits) {
        let watch = FetchGuard(allowed: settings.fetchAllowed)
        http = HTTPClient(
            group: EventLoops.shared, limits: limits, additionalRoots: settings.fetchRoots,
            watch: AddressWatch { watch.objection(to: $0, by: .written) })
    }

    func fetch(_ url: String, _ answered: @escaping @Sendable (Result<[UInt8], KeyFetchTrouble>) -> Void) {
        let get = JSONGet(url: url, http: http)
        get.send(within: IssuerKeys.fetchMax, answerBytesMax: WebKeySet.bytesMax) { result in
            switch result {
            case .failure(let failure): answered(.failure(KeyFetchTrouble(text: failure.text)))
            case .success(let answer) where (300..<400).contains(answer.status):
                // Followed, it would lead where nobody who runs this node has said.
                answered(
                    .failure(
                        KeyFetchTrouble(
                            text:
                                "\(url) redirects to another place (status \(answer.status)), and redirects are not followed; set jwks to where the keys are"
                        )))
            case .success(let answer) where answer.status != 200:
                answered(.failure(KeyFetchTrouble(text: "\(url) answered with status \(answer.status)")))
            case .success(let answer): answered(.success(answer.body))
            }
        }
    }

    func shutdown() async { await http.shutdown() }
}
