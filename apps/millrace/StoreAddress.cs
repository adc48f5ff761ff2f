using System.CommandLine;
using Millrace.Storage;

namespace Millrace.App;

/// <summary>Where the store is, and who said so: <c>--url</c> or <c>--server</c>, otherwise the environment, otherwise the user's own store.</summary>
/// <param name="Url">The backend's URL.</param>
/// <param name="Source">What to correct when it is wrong, such as <c>--server</c>.</param>
internal sealed record StoreAddress(string Url, string Source)
{
    private const string Http = "http";
    private const string Https = "https";

    /// <summary>Whether another machine, or at least another process, has the store.</summary>
    public bool IsServer => HasScheme(Url, Http) || HasScheme(Url, Https);

    /// <summary>What the command line says, otherwise the environment, otherwise the default.</summary>
    /// <exception cref="UsageException">Two stores, or a server whose address is none.</exception>
    public static StoreAddress Read(ParseResult arguments, Func<string, string?> readVariable)
    {
        var url = arguments.GetValue(CliContext.UrlOption);
        var server = arguments.GetValue(CliContext.ServerOption);
        if (url is not null && server is not null)
        {
            throw new UsageException("--url and --server are two stores: give one of them.");
        }

        if (server is not null)
        {
            return new StoreAddress(RequireServer(server.Trim()), "--server");
        }

        var named = url ?? readVariable(CliContext.UrlVariable);
        if (!string.IsNullOrWhiteSpace(named))
        {
            return new StoreAddress(named.Trim(), url is null ? CliContext.UrlVariable : "--url");
        }

        var (address, source) = DefaultStore.FindForCommand();
        return new StoreAddress(address, source);
    }

    /// <summary>What to say when nobody answers here.</summary>
    public string DescribeFailure(BackendUnavailableException exception) =>
        $"The Millrace server at {BackendUrl.Parse(Url)} does not answer ({exception.Message.TrimEnd('.')}): start it with 'millrace serve' there, or correct {Source}.";

    private static string RequireServer(string text)
    {
        // Nothing of the text is repeated but its scheme: what is no address may be anything, a password too.
        var end = text.IndexOf("://", StringComparison.Ordinal);
        if (end >= 0 && !HasScheme(text, Http) && !HasScheme(text, Https))
        {
            throw new UsageException($"--server needs http:// or https://, not '{text[..end]}://'; a store of another kind is named with --url.");
        }

        var url = end >= 0 ? text : $"{Http}://{text}";
        if (end < 0 && !IsHostAndPort(text))
        {
            throw new UsageException("--server needs the address of a server, such as http://host:7070; a store of another kind is named with --url.");
        }

        return BackendUrl.Parse(url).Hosts.Count > 0
            ? url
            : throw new UsageException("--server needs a host, such as http://host:7070.");
    }

    // host, host:7070, [::1]:7070: short for http://; but sqlite:./data.db is meant for --url.
    private static bool IsHostAndPort(string text) =>
        Uri.TryCreate($"{Http}://{text}", UriKind.Absolute, out var uri) && uri.PathAndQuery == "/" && uri.UserInfo.Length == 0 && !text.EndsWith('/') && !text.EndsWith(':');

    private static bool HasScheme(string url, string scheme) => url.StartsWith(scheme + "://", StringComparison.OrdinalIgnoreCase);
}
