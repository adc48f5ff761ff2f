using System.Globalization;
using System.Text;

namespace Millrace.Storage.Http;

/// <summary>The paths of the API, below the root of an instance. Names are percent-encoded whole, slashes and dots included.</summary>
internal static class ApiPath
{
    public const string Operations = "operations";
    public const string Transactions = "transactions";
    public const string Bindings = "bindings";
    public const string Receivers = "receivers";
    public const string Changes = "changes";
    public const string StateList = "state";
    public const string Queues = "queues";
    public const string Runs = "runs";
    public const string RunStatistics = "runs/statistics";
    public const string Connections = "connections";

    public static string Queue(string queue) => $"queues/{Escape(queue)}";

    public static string Queue(string queue, string part) => $"queues/{Escape(queue)}/{part}";

    public static string Message(string queue, MessageId id) => $"queues/{Escape(queue)}/messages/{Escape(id.ToString())}";

    public static string Binding(string queue, TopicPattern pattern) => $"queues/{Escape(queue)}/bindings/{Escape(pattern.Text)}";

    public static string Receiver(string receiver, string part) => $"receivers/{receiver}/{part}";

    public static string Topic(string topic, string part) => $"topics/{Escape(topic)}/{part}";

    public static string Channel(string topic, string part) => $"channels/{Escape(topic)}/{part}";

    public static string Lock(string name) => $"locks/{Escape(name)}";

    public static string Lock(string name, string part) => $"locks/{Escape(name)}/{part}";

    public static string State(string key) => $"state/{Escape(key)}";

    public static string Connection(string connection) => $"{Connections}/{Escape(connection)}";

    public static string Partition(string stream, int partition) => string.Create(CultureInfo.InvariantCulture, $"streams/{Escape(stream)}/partitions/{partition}");

    public static string Partition(string stream, int partition, string part) => $"{Partition(stream, partition)}/{part}";

    /// <summary>A query string of the pairs that have a value.</summary>
    public static string Query(params ReadOnlySpan<(string Name, string? Value)> pairs)
    {
        var query = new StringBuilder();
        foreach (var (name, value) in pairs)
        {
            if (value is not null)
            {
                query.Append(query.Length == 0 ? '?' : '&').Append(name).Append('=').Append(Uri.EscapeDataString(value));
            }
        }

        return query.ToString();
    }

    // A dot is never escaped by the framework, and a segment of dots alone is a step in a path.
    private static string Escape(string name) => name is "." or ".." ? name.Replace(".", "%2E", StringComparison.Ordinal) : Uri.EscapeDataString(name);
}
