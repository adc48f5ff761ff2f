using Millrace.Redis.Client;
using Millrace.Storage;

namespace Millrace.Redis.Queues;

/// <summary>
/// The bindings of queues to topic patterns, all in one hash with a version. They are remembered, and the version is asked for at every publish, so that one which follows a bind sees it
/// (law R2) at the price of one small look.
/// </summary>
internal sealed class BindingCache(QueueCalls calls)
{
    private volatile Bindings _known = new("", []);

    /// <summary>The queues that a topic reaches, each once, in order of their names, with the births that they had when they were bound.</summary>
    public async ValueTask<IReadOnlyList<(string Queue, string Birth)>> FindAsync(string topic, CancellationToken cancellationToken)
    {
        var bindings = await ReadAsync(cancellationToken).ConfigureAwait(false);
        return bindings.Find(topic);
    }

    /// <summary>All bindings.</summary>
    public async ValueTask<IReadOnlyList<QueueBinding>> ListAsync(CancellationToken cancellationToken) =>
        (await ReadAsync(cancellationToken).ConfigureAwait(false)).All.ConvertAll(one => new QueueBinding(one.Queue, one.Pattern));

    public ValueTask AddAsync(string queue, TopicPattern pattern, string birth, CancellationToken cancellationToken) =>
        ChangeAsync("add", NameOf(queue, pattern.Text), birth, cancellationToken);

    /// <summary>Takes a binding away.</summary>
    /// <returns>False when there was none.</returns>
    public async ValueTask<bool> RemoveAsync(string queue, TopicPattern pattern, CancellationToken cancellationToken)
    {
        var reply = await calls.WriteAsync(
            QueueScripts.Bind.Call(calls.BindingsKey).Add("remove").Add(NameOf(queue, pattern.Text)).Add("").Add(NewVersion()), cancellationToken).ConfigureAwait(false);
        return reply.ToInteger() > 0;
    }

    /// <summary>Takes the bindings of a queue away that is gone.</summary>
    public ValueTask DropAsync(string queue, string birth)
    {
        // They may be none of the server's any more: then nothing is taken away, and no version says that what is remembered is wrong.
        _known = new Bindings("", []);
        return ChangeAsync("drop", NameOf(queue, ""), birth, CancellationToken.None);
    }

    private async ValueTask ChangeAsync(string what, string name, string birth, CancellationToken cancellationToken) =>
        await calls.WriteAsync(QueueScripts.Bind.Call(calls.BindingsKey).Add(what).Add(name).Add(birth).Add(NewVersion()).MayRepeat(), cancellationToken).ConfigureAwait(false);

    private static string NewVersion() => Guid.NewGuid().ToString("N");

    private static string NameOf(string queue, string pattern) => queue + "\0" + pattern;

    private async ValueTask<Bindings> ReadAsync(CancellationToken cancellationToken)
    {
        var version = await calls.Executor.ExecuteAsync(RedisCommand.Create("HGET").AddKey(calls.BindingsKey).Add("").MayRepeat(), cancellationToken).ConfigureAwait(false);
        var known = _known;
        if ((version.ToText() ?? "") == known.Version)
        {
            return known;
        }

        var reply = await calls.Executor.ExecuteAsync(RedisCommand.Create("HGETALL").AddKey(calls.BindingsKey).MayRepeat(), cancellationToken).ConfigureAwait(false);
        var current = "";
        var all = new List<(string, TopicPattern, string)>();
        for (var i = 0; i + 1 < reply.Items.Length; i += 2)
        {
            var name = reply.Items[i].ToText()!;
            var value = reply.Items[i + 1].ToText()!;
            if (name.Length == 0)
            {
                current = value;
                continue;
            }

            var end = name.IndexOf('\0', StringComparison.Ordinal);
            all.Add((name[..end], TopicPattern.Parse(name[(end + 1)..]), value));
        }

        return _known = new Bindings(current, all);
    }

    /// <summary>The bindings at one version.</summary>
    private sealed class Bindings
    {
        private readonly Dictionary<string, List<(string Queue, string Birth)>> _literals = new(StringComparer.Ordinal);
        private readonly List<(string Queue, TopicPattern Pattern, string Birth)> _globs = [];

        public Bindings(string version, List<(string Queue, TopicPattern Pattern, string Birth)> all)
        {
            Version = version;
            All = all;
            all.Sort(static (left, right) => string.CompareOrdinal(left.Queue, right.Queue) is not 0 and var order ? order : string.CompareOrdinal(left.Pattern.Text, right.Pattern.Text));
            foreach (var one in all)
            {
                if (!one.Pattern.IsLiteral)
                {
                    _globs.Add(one);
                    continue;
                }

                if (!_literals.TryGetValue(one.Pattern.Text, out var queues))
                {
                    _literals.Add(one.Pattern.Text, queues = []);
                }

                queues.Add((one.Queue, one.Birth));
            }
        }

        public string Version { get; }

        public List<(string Queue, TopicPattern Pattern, string Birth)> All { get; }

        public List<(string Queue, string Birth)> Find(string topic)
        {
            var literals = _literals.GetValueOrDefault(topic);
            if (_globs.Count == 0)
            {
                return literals ?? [];
            }

            var found = new SortedDictionary<string, string>(StringComparer.Ordinal);
            foreach (var (queue, birth) in literals ?? [])
            {
                found[queue] = birth;
            }

            foreach (var (queue, pattern, birth) in _globs)
            {
                if (pattern.Matches(topic))
                {
                    found[queue] = birth;
                }
            }

            return [.. found.Select(one => (one.Key, one.Value))];
        }
    }
}
