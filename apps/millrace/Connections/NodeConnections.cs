using System.CommandLine;
using System.Runtime.CompilerServices;
using Millrace.Server.Api;
using Millrace.Stomp;
using Millrace.Storage;
using Millrace.Storage.Http;
using Millrace.Storage.Http.Wire;

namespace Millrace.App.Connections;

/// <summary>The STOMP connections of a node, by its HTTP API. Nothing is tried again: what a person asks for is answered at once, or said to have failed.</summary>
internal sealed class NodeConnections : IAsyncDisposable
{
    // The API's largest page.
    private const int PageSize = 1000;

    private readonly StoreAddress _node;
    private readonly ApiConnection _api;

    private NodeConnections(StoreAddress node, ApiConnection api) => (_node, _api) = (node, api);

    /// <summary>Those of the node that the command line or the environment names. It is not asked for anything yet.</summary>
    /// <exception cref="UsageException">What is named is a store.</exception>
    public static NodeConnections Open(ParseResult arguments, CliContext context)
    {
        var address = StoreAddress.Read(arguments, context.ReadVariable);
        var url = BackendUrl.Parse(address.Url);
        if (!address.IsServer)
        {
            throw new UsageException($"STOMP connections are those of a node, and '{url}' is a store: name the node with --server, such as http://127.0.0.1:7070; 'millrace serve' starts one.");
        }

        // They are the node's, whichever of its instances the address names.
        var options = HttpOptions.Parse(url);
        options = options with { Root = new Uri($"{options.Server}{ApiEndpoints.Root}/") };
        return new NodeConnections(address, new ApiConnection(options, new BackendContext { LoggerFactory = new ErrorLog(context.Error), TimeProvider = context.TimeProvider }));
    }

    /// <summary>All of them, page by page, about in the order in which they came.</summary>
    public async IAsyncEnumerable<StompConnectionInfo> ListAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? after = null;
        do
        {
            var path = ApiPath.Connections + ApiPath.Query(("after", after), ("limit", WireValues.Text(PageSize)));
            using var answer = await SendAsync(new ApiRequest(HttpMethod.Get, path), cancellationToken);
            var (page, next) = AnswerReading.From(_api, answer, ConnectionWire.ReadPage);
            foreach (var connection in page)
            {
                yield return connection;
            }

            after = next;
        }
        while (after is not null);
    }

    /// <summary>One of them.</summary>
    /// <exception cref="ConnectionNotFoundException">There is none with this id.</exception>
    public async ValueTask<StompConnectionInfo> GetAsync(string id, CancellationToken cancellationToken)
    {
        using var answer = await SendAsync(new ApiRequest(HttpMethod.Get, ApiPath.Connection(id)), cancellationToken);
        return AnswerReading.From(_api, answer, ConnectionWire.Read);
    }

    /// <summary>Closes one of them.</summary>
    /// <exception cref="ConnectionNotFoundException">There is none with this id.</exception>
    public async ValueTask CloseAsync(string id, CancellationToken cancellationToken)
    {
        using var answer = await SendAsync(new ApiRequest(HttpMethod.Delete, ApiPath.Connection(id)), cancellationToken);
    }

    public ValueTask DisposeAsync() => _api.DisposeAsync();

    private async ValueTask<ApiAnswer> SendAsync(ApiRequest request, CancellationToken cancellationToken)
    {
        ApiAnswer answer;
        try
        {
            answer = await _api.ExchangeAsync(request, retries: false, cancellationToken);
        }
        catch (BackendUnavailableException exception)
        {
            throw new BackendUnavailableException(_node.DescribeFailure(exception), exception.MayHaveBeenApplied, exception);
        }

        if (answer.Problem is null)
        {
            return answer;
        }

        using (answer)
        {
            // In the node's words: it has no such connection, or no STOMP.
            throw answer.Problem.Code == ProblemMap.NotFound ? new ConnectionNotFoundException(answer.Problem.Detail) : _api.Fault(answer);
        }
    }
}
