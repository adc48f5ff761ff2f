using System.Globalization;
using Millrace.App.Output;
using Millrace.Storage;

namespace Millrace.App.Exec;

/// <summary>What a command is told about its message: the variables <c>MILLRACE_…</c> of docs/guide/cli.md.</summary>
internal static class MessageEnvironment
{
    private const string HeaderPrefix = "MILLRACE_HEADER_";

    public static void Fill(IDictionary<string, string?> variables, string queue, Delivery delivery)
    {
        var message = delivery.Message;
        variables["MILLRACE_QUEUE"] = queue;
        variables["MILLRACE_ID"] = Safe(message.Id.ToString());
        variables["MILLRACE_ATTEMPT"] = delivery.Attempt.ToString(CultureInfo.InvariantCulture);
        variables["MILLRACE_REDELIVERED"] = delivery.Redelivered ? "true" : "false";
        variables["MILLRACE_PRIORITY"] = message.Priority.ToString(CultureInfo.InvariantCulture);
        variables["MILLRACE_ENQUEUED_AT"] = MessageText.Time(message.EnqueuedAt);
        Set(variables, "MILLRACE_KEY", message.Key);
        Set(variables, "MILLRACE_CONTENT_TYPE", message.ContentType);

        // A worker may itself run under a worker: what that one said of its message must not stand here.
        foreach (var inherited in variables.Keys.Where(name => name.StartsWith(HeaderPrefix, StringComparison.Ordinal)).ToList())
        {
            variables.Remove(inherited);
        }

        foreach (var (name, value) in message.Headers)
        {
            // Two headers may become one name; the first stands, as among the headers themselves.
            variables.TryAdd(VariableName(name), Safe(value));
        }
    }

    /// <summary>The variable of a header: upper case, everything but letters and digits of ASCII an underscore.</summary>
    public static string VariableName(string header) => string.Create(HeaderPrefix.Length + header.Length, header, static (span, text) =>
    {
        HeaderPrefix.CopyTo(span);
        for (var i = 0; i < text.Length; i++)
        {
            span[HeaderPrefix.Length + i] = char.IsAsciiLetterOrDigit(text[i]) ? char.ToUpperInvariant(text[i]) : '_';
        }
    });

    private static void Set(IDictionary<string, string?> variables, string name, string? value)
    {
        if (value is null)
        {
            variables.Remove(name);
        }
        else
        {
            variables[name] = Safe(value);
        }
    }

    // The environment is made of texts that end at a zero.
    private static string Safe(string value) => value.Replace('\0', '\uFFFD');
}
