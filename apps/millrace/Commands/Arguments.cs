using System.CommandLine;
using System.CommandLine.Parsing;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary>Arguments and options that several commands have, worded and checked alike.</summary>
internal static class Arguments
{
    // Messages come with their bodies, names alone: the contract's largest page of those costs the fewest round trips.
    private const int MessagePageSize = 500;
    private const int NamePageSize = 1000;

    public static Argument<string> Queue(string description = "The queue.") => new("QUEUE") { Description = description };

    public static Option<int> Limit(int defaultValue) => Number("--limit", $"At most so many; {defaultValue} unless set.", defaultValue);

    /// <summary>An option that takes a whole number of at least 1.</summary>
    public static Option<int> Number(string name, string description, int defaultValue)
    {
        var option = new Option<int>(name) { Description = description, HelpName = "N", DefaultValueFactory = _ => defaultValue };
        option.Validators.Add(RequirePositive);
        return option;
    }

    /// <summary>Pages through a browse until <paramref name="limit"/> messages have come.</summary>
    public static async IAsyncEnumerable<BrowsedMessage> BrowseAsync(
        IQueueAdmin admin,
        string queue,
        MessageState state,
        int limit,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? continuation = null;
        while (limit > 0)
        {
            var query = new BrowseQuery { State = state, Limit = Math.Min(limit, MessagePageSize), Continuation = continuation };
            var page = await admin.BrowseAsync(queue, query, cancellationToken);
            foreach (var message in page.Messages)
            {
                yield return message;
            }

            limit -= page.Messages.Count;
            continuation = page.Next;
            if (continuation is null)
            {
                yield break;
            }
        }
    }

    /// <summary>The names of all queues, page by page.</summary>
    public static async IAsyncEnumerable<string> ListQueuesAsync(
        IQueueAdmin admin,
        string prefix,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? after = null;
        do
        {
            var page = await admin.ListQueuesAsync(prefix, after, NamePageSize, cancellationToken);
            foreach (var queue in page)
            {
                yield return queue;
            }

            after = page.Count == NamePageSize ? page[^1] : null;
        }
        while (after is not null);
    }

    private static void RequirePositive(OptionResult result)
    {
        if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out var value) && value < 1)
        {
            result.AddError($"{result.IdentifierToken?.Value} must be at least 1, not {value}.");
        }
    }
}
