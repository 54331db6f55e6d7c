// MCPTransport
