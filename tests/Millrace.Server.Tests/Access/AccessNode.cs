using System.Net.Http.Headers;
using System.Text;
using Millrace.Client;
using Millrace.Server.Security;
using Millrace.Server.Security.Users;
using Millrace.Server.Tests.Client;
using Millrace.Server.Tests.Security;
using Millrace.Storage;
using Xunit;

namespace Millrace.Server.Tests.Access;

/// <summary>A server over <c>memory:</c> with a users file, and clients of its users. Every user's password is the name with <see cref="PasswordSuffix"/>.</summary>
internal sealed class AccessNode : IAsyncDisposable
{
    public const string Administrator = "ada";
    public const string PasswordSuffix = "-pass-word";

    private readonly Dictionary<string, HttpClient> _clients = [];
    private readonly UsersFolder _folder;
    private readonly TestNode _node;
    private int _versions = 1;

    private AccessNode(UsersFolder folder, TestNode node, RecordedLog log) => (_folder, _node, Log) = (folder, node, log);

    public RecordedLog Log { get; }

    public UsersFolder Folder => _folder;

    public string Url => _node.Url;

    public MillraceServer Server => _node.Server;

    /// <summary>The store behind the server.</summary>
    public MillraceClient Store => _node.Store;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Starts a server with an administrator and these users and roles.</summary>
    public static async Task<AccessNode> StartAsync(IEnumerable<UserEntry> users, IEnumerable<RoleEntry> roles, Action<MillraceServerOptions>? configure = null)
    {
        var folder = new UsersFolder();
        var log = new RecordedLog();
        await folder.EditAsync(_ => new UsersDocument([User(Administrator, RoleEntry.Administrator), .. users], [.. roles]));
        var node = await TestNode.StartAsync(configure: options =>
        {
            options.LoggerFactory = log;

            // The receivers that a fixture opens are used by its last test too.
            options.Limits = options.Limits with { ReceiverIdleTime = TimeSpan.FromDays(1) };
            options.Security = new SecurityOptions { UsersFile = folder.File };
            configure?.Invoke(options);
        });
        return new AccessNode(folder, node, log);
    }

    public static UserEntry User(string name, params string[] roles) => UsersFolder.User(name, PasswordOf(name), roles);

    public static string PasswordOf(string name) => name + PasswordSuffix;

    /// <summary>A role that allows one thing with one kind of names.</summary>
    public static RoleEntry Role(string name, Permission permission, ResourceKind kind, string pattern = "*") => new(name, [Rule(permission, kind, pattern)]);

    public static RoleRule Rule(Permission permission, ResourceKind kind, string pattern = "*")
    {
        IReadOnlyList<TopicPattern> patterns = [TopicPattern.Parse(pattern)];
        var rule = new RoleRule { Allow = [permission] };
        return kind switch
        {
            ResourceKind.Queue => rule with { Queues = patterns },
            ResourceKind.Topic => rule with { Topics = patterns },
            ResourceKind.Stream => rule with { Streams = patterns },
            ResourceKind.Schedule => rule with { Schedules = patterns },
            ResourceKind.Lock => rule with { Locks = patterns },
            _ => rule with { State = patterns },
        };
    }

    /// <summary>Changes the users file, and returns when the server has taken it over.</summary>
    public async Task EditAsync(Func<UsersDocument, UsersDocument> change)
    {
        await _folder.EditAsync(change);
        await Log.WaitForAsync(2110, ++_versions);
    }

    /// <summary>A client whose requests follow one another on one connection; null for nobody in particular.</summary>
    public HttpClient As(string? user)
    {
        if (!_clients.TryGetValue(user ?? "", out var client))
        {
            client = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = 1, UseCookies = false }) { BaseAddress = new Uri(Url + "/api/v1/") };
            client.DefaultRequestHeaders.Authorization = user is null
                ? null
                : new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{user}{PasswordSuffix}")));
            _clients[user ?? ""] = client;
        }

        return client;
    }

    /// <summary>The URL of the backend for a user.</summary>
    public string UrlFor(string user) => Url.Replace("://", $"://{Uri.EscapeDataString(user)}:{Uri.EscapeDataString(user + PasswordSuffix)}@", StringComparison.Ordinal);

    public string UrlForKey(string key) => $"{Url}?key={Uri.EscapeDataString(key)}";

    public ValueTask<Backend> OpenAsync(string user) => TestNode.OpenAsync(UrlFor(user), "");

    /// <summary>What was recorded of a user's requests until now, oldest first: by a request that is refused and recorded itself, on the same connection.</summary>
    public async Task<IReadOnlyList<string>> AuditOfAsync(string user)
    {
        // An administrator is refused nothing; what is not there cannot be deleted.
        const string Missing = "no-such-queue";
        var mark = user == Administrator ? "queue.delete" : "GET metrics";
        bool IsMark(RecordedEntry entry) => entry.Values["User"] == user && entry.Values["Action"] == mark && entry.Values["Resource"] is "" or Missing;
        var marks = Log.Of(2101).Count(IsMark);
        using var response = user == Administrator
            ? await As(user).DeleteAsync(new Uri($"queues/{Missing}", UriKind.Relative), Token)
            : await As(user).GetAsync(new Uri(Url + "/metrics"), Token);
        await Log.WaitForAsync(2101, IsMark, marks + 1);
        return [.. Log.Of(2100, 2101)
            .Where(entry => entry.Values["User"] == user && !IsMark(entry))
            .Select(entry => $"{entry.Values["Action"]} {entry.Values["Resource"]} {entry.Values["Outcome"]}")];
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients.Values)
        {
            client.Dispose();
        }

        await _node.DisposeAsync();
        _folder.Dispose();
    }
}
