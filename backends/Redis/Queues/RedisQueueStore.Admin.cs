using System.Globalization;
using Millrace.Redis.Client;
using Millrace.Storage;

namespace Millrace.Redis.Queues;

/// <content>Administration. Work on many messages goes in steps, so that it holds nobody up.</content>
internal partial class RedisQueueStore
{
    // At some 20 microseconds a message, a step holds the server up for a few milliseconds.
    private const int Step = 250;
    private const int MaxPage = 1000;
    private const long MaxBrowsedBytes = 16 * 1024 * 1024;

    public async ValueTask<bool> CreateQueueAsync(string queue, QueueSettings settings, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(queue, "queue");
        ArgumentNullException.ThrowIfNull(settings);
        settings.Validate();
        RequireUsable();
        while (true)
        {
            // Nothing: one that was idle for too long has just been deleted.
            if (await Calls.OpenAsync(Calls.PlaceOf(queue), creates: true, settings, null, TimeSpan.Zero, cancellationToken).ConfigureAwait(false) is { } opened)
            {
                return opened.IsNew;
            }
        }
    }

    public async ValueTask<bool> DeleteQueueAsync(string queue, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(queue, "queue");
        RequireUsable();
        var place = Calls.PlaceOf(queue);
        try
        {
            var reply = await Calls.RunAsync(place, QueueScripts.Delete, isRepeatable: false, static _ => { }, cancellationToken).ConfigureAwait(false);

            // What was bound to the queue is void already, as its birth is gone; the rest only makes room.
            await Bindings.DropAsync(queue, reply.Items[1].ToText()!).ConfigureAwait(false);
            await Calls.ForgetAsync(place).ConfigureAwait(false);
            return true;
        }
        catch (QueueNotFoundException)
        {
            return false;
        }
    }

    public async ValueTask<QueueSettings> GetSettingsAsync(string queue, CancellationToken cancellationToken = default)
    {
        var reply = await GetStateAsync(queue, cancellationToken).ConfigureAwait(false);
        return QueueStateRecord.ReadSettings(reply.Items[1].Bytes.Span);
    }

    public async ValueTask UpdateSettingsAsync(string queue, QueueSettings settings, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(queue, "queue");
        ArgumentNullException.ThrowIfNull(settings);
        settings.Validate();
        RequireUsable();
        await Calls.RunAsync(
            Calls.PlaceOf(queue),
            QueueScripts.Change,
            isRepeatable: false,
            command => QueueStateRecord.WriteSettings(settings, command.Reserve(QueueStateRecord.SettingsBytes)),
            cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask<IReadOnlyList<string>> ListQueuesAsync(string prefix = "", string? after = null, int limit = 100, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        RequireLimit(limit);
        RequireUsable();
        var names = new List<string>();
        var isLast = false;
        while (names.Count < limit && !isLast)
        {
            // Bytewise order of UTF-8: what starts with the prefix follows it without a gap.
            var start = string.CompareOrdinal(after, prefix) >= 0 && after is not null ? "(" + after : "[" + prefix;
            var command = RedisCommand.Create("ZRANGEBYLEX").AddKey(Calls.NamesKey).Add(start).Add("+").Add("LIMIT").Add(0).Add(limit);
            var reply = await Calls.Executor.ExecuteAsync(command.MayRepeat(), cancellationToken).ConfigureAwait(false);
            isLast = reply.Items.Length < limit;
            var page = Array.ConvertAll(reply.Items.ToArray(), item => item.ToText()!);
            var exist = await Task.WhenAll(Array.ConvertAll(page, name => ExistsAsync(name, cancellationToken).AsTask())).ConfigureAwait(false);
            for (var i = 0; i < page.Length && names.Count < limit; i++)
            {
                if (!page[i].StartsWith(prefix, StringComparison.Ordinal))
                {
                    return names;
                }

                if (exist[i])
                {
                    names.Add(page[i]);
                }

                after = page[i];
            }
        }

        return names;
    }

    public async ValueTask<QueueStats> GetStatsAsync(string queue, CancellationToken cancellationToken = default)
    {
        var reply = await GetStateAsync(queue, cancellationToken).ConfigureAwait(false);
        var age = reply.Items[2].ToInteger();
        return QueueStateRecord.ReadStats(reply.Items[1].Bytes.Span, Calls.PlaceOf(queue).IsDead, age < 0 ? null : TimeSpan.FromMicroseconds(age));
    }

    public async ValueTask<BrowsePage> BrowseAsync(string queue, BrowseQuery query, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireQueue(queue);
        ArgumentNullException.ThrowIfNull(query);
        RequireLimit(query.Limit);
        RequireUsable();
        var (messages, _, next) = await BrowseAsync(Calls.PlaceOf(queue), query, cancellationToken).ConfigureAwait(false);
        return new BrowsePage(messages, next);
    }

    public async ValueTask<BrowsedMessage?> GetMessageAsync(string queue, MessageId id, CancellationToken cancellationToken = default)
    {
        var reply = await OnMessageAsync(queue, id, "get", TimeSpan.Zero, cancellationToken).ConfigureAwait(false);
        if (reply.Items[1].ToInteger() != 0)
        {
            return null;
        }

        return Show(reply.Items[3].ToInteger(), (int)reply.Items[2].ToInteger(), reply.Items[4].Bytes, reply.Items[5].Bytes.Span, PlaceOf(reply.Items[6].ToText()![0]), reply.Items[7].ToInteger());
    }

    public async ValueTask<MessageChange> RemoveMessageAsync(string queue, MessageId id, CancellationToken cancellationToken = default) =>
        ChangeOf(await OnMessageAsync(queue, id, "remove", TimeSpan.Zero, cancellationToken).ConfigureAwait(false));

    public async ValueTask<MessageChange> RescheduleMessageAsync(string queue, MessageId id, TimeSpan delay, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(delay, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(delay, Capabilities.MaxDelay);
        return ChangeOf(await OnMessageAsync(queue, id, "reschedule", delay, cancellationToken).ConfigureAwait(false));
    }

    public async ValueTask<long> RedriveAsync(string queue, DeadLetterFilter filter, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(queue, "queue");
        ArgumentNullException.ThrowIfNull(filter);
        RequireUsable();
        var place = Calls.PlaceOf(queue);
        var dead = Calls.PlaceOf(ResourceName.DeadLetterQueueOf(queue));
        var started = await GetStateAsync(queue, cancellationToken).ConfigureAwait(false);
        var lastSequence = QueueStateRecord.LastSequence(started.Items[1].Bytes.Span);
        var moved = 0L;
        foreach (var state in (MessageState[])[MessageState.Ready, MessageState.Scheduled])
        {
            string? continuation = null;
            do
            {
                cancellationToken.ThrowIfCancellationRequested();
                var query = new BrowseQuery { State = state, Limit = Step, Continuation = continuation };
                var (messages, numbers, next) = await BrowseAsync(dead, query, cancellationToken).ConfigureAwait(false);
                var matching = new List<long>();
                for (var i = 0; i < messages.Count && moved + matching.Count < (filter.Limit ?? long.MaxValue); i++)
                {
                    // What died after the call began stays, so that one which races with failing workers ends.
                    if (filter.Matches(messages[i].Message) && numbers[i].Sequence <= lastSequence)
                    {
                        matching.Add(numbers[i].Number);
                    }
                }

                moved += await RedriveAsync(place, matching, cancellationToken).ConfigureAwait(false);
                continuation = next;
            }
            while (continuation is not null && moved < (filter.Limit ?? long.MaxValue));
        }

        return moved;
    }

    public async ValueTask<long> PurgeAsync(string queue, CancellationToken cancellationToken = default)
    {
        var stats = await GetStatsAsync(queue, cancellationToken).ConfigureAwait(false);
        var place = Calls.PlaceOf(queue);
        var removed = 0L;

        // Counted at the start: what is sent meanwhile may be spared, and a busy sender does not keep the call going for ever.
        for (var rest = stats.Ready + stats.Scheduled; rest > 0;)
        {
            var step = Math.Min(rest, Step);
            var reply = await Calls.RunAsync(place, QueueScripts.Purge, isRepeatable: false, command => command.Add(place.Section).Add(step), cancellationToken).ConfigureAwait(false);
            var done = reply.Items[1].ToInteger();
            removed += done;
            rest = done == 0 ? 0 : rest - done;
        }

        return removed;
    }

    private async ValueTask<long> RedriveAsync(QueuePlace place, List<long> numbers, CancellationToken cancellationToken)
    {
        if (numbers.Count == 0)
        {
            return 0;
        }

        var reply = await Calls.RunAsync(
            place,
            QueueScripts.Redrive,
            isRepeatable: false,
            command => numbers.ForEach(number => command.Add(number)),
            cancellationToken).ConfigureAwait(false);
        return reply.Items[1].ToInteger();
    }

    private ValueTask<RedisReply> GetStateAsync(string queue, CancellationToken cancellationToken)
    {
        ResourceName.RequireQueue(queue);
        RequireUsable();
        var place = Calls.PlaceOf(queue);
        return Calls.RunAsync(place, QueueScripts.Stats, isRepeatable: true, command => command.Add(place.Section), cancellationToken);
    }

    private async ValueTask<bool> ExistsAsync(string queue, CancellationToken cancellationToken)
    {
        try
        {
            return await Calls.OpenAsync(Calls.PlaceOf(queue), creates: false, QueueSettings.Default, null, TimeSpan.Zero, cancellationToken).ConfigureAwait(false) is not null;
        }
        catch (StorageCorruptException)
        {
            // It is there, and whoever looks at it is told; the others are listed with it.
            return true;
        }
    }

    private async ValueTask<(List<BrowsedMessage> Messages, List<(long Number, long Sequence)> Numbers, string? Next)> BrowseAsync(
        QueuePlace place, BrowseQuery query, CancellationToken cancellationToken)
    {
        var (first, second) = ParseContinuation(query.Continuation);
        var state = query.State switch
        {
            MessageState.Scheduled => "s",
            MessageState.Leased => "l",
            _ => "r",
        };
        var reply = await Calls.RunAsync(
            place,
            QueueScripts.Browse,
            isRepeatable: true,
            command => command.Add(place.Section).Add(state).Add(query.Limit).Add(first).Add(second).Add(MaxBrowsedBytes),
            cancellationToken).ConfigureAwait(false);
        var salt = (int)reply.Items[1].ToInteger();
        var messages = new List<BrowsedMessage>();
        var numbers = new List<(long, long)>();
        string? next = null;
        for (var i = 0; i < reply.Items[3].Items.Length; i++)
        {
            var number = reply.Items[3].Items[i].ToInteger();
            var time = reply.Items[6].Items[i].ToInteger();
            var stored = reply.Items[5].Items[i].Bytes.Span;
            var shown = Show(number, salt, reply.Items[4].Items[i].Bytes, stored, query.State, time);
            messages.Add(shown);
            numbers.Add((number, stored.IsEmpty ? number : QueuedState.Read(stored).Sequence));
            next = state == "r" ? $"{shown.Message.Priority}.{time}" : $"{time}.{number}";
        }

        return (messages, numbers, reply.Items[2].ToInteger() == 1 ? next : null);
    }

    private async ValueTask<RedisReply> OnMessageAsync(string queue, MessageId id, string what, TimeSpan delay, CancellationToken cancellationToken)
    {
        ResourceName.RequireQueue(queue);
        RequireUsable();
        var place = Calls.PlaceOf(queue);
        return await Calls.RunAsync(
            place,
            QueueScripts.Message,
            isRepeatable: what == "get",
            command =>
            {
                command.Add(place.Section).Add(what);
                MessageRecord.Hash(id, command.Reserve(MessageRecord.HashBytes));
                if (id.TryGetUuid(out var uuid) && AssignedId.TryRead(uuid, out var number, out var milliseconds, out var salt))
                {
                    command.Add(number).Add(milliseconds).Add(salt);
                }
                else
                {
                    command.Add("").Add("").Add("");
                }

                command.Add(RedisTime.MicrosecondsOf(delay));
            },
            cancellationToken).ConfigureAwait(false);
    }

    private static MessageChange ChangeOf(in RedisReply reply) => reply.Items[1].ToInteger() switch
    {
        0 => MessageChange.Done,
        1 => MessageChange.NotFound,
        _ => MessageChange.Leased,
    };

    private static MessageState PlaceOf(char letter) => letter switch
    {
        's' => MessageState.Scheduled,
        'l' => MessageState.Leased,
        _ => MessageState.Ready,
    };

    private static BrowsedMessage Show(long number, int salt, ReadOnlyMemory<byte> record, ReadOnlySpan<byte> stored, MessageState place, long time)
    {
        var state = QueuedState.Read(stored);
        var attempts = state.Attempts + (place == MessageState.Leased ? 1 : 0);
        return new BrowsedMessage(
            MessageRecord.Read(record, number, salt, in state), place, attempts, place == MessageState.Scheduled ? RedisTime.InstantOf(time) : null, state.LastError);
    }

    private static (string First, string Second) ParseContinuation(string? text)
    {
        if (text is null)
        {
            return ("", "");
        }

        var parts = text.Split('.');
        return parts.Length == 2 && parts.All(part => long.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out _))
            ? (parts[0], parts[1])
            : throw new MillraceConfigurationException($"'{text}' is no continuation of a browse: pass the Next of the page before, unchanged.");
    }

    private static void RequireLimit(int limit)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, MaxPage);
    }
}
