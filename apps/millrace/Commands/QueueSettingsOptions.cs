using System.CommandLine;
using System.Globalization;
using Millrace.App.Output;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary>The settings of a queue as options, and how they are shown.</summary>
internal sealed class QueueSettingsOptions
{
    private readonly Option<int?> _maxDeliveries = new("--max-deliveries") { Description = "After so many counted deliveries a message is dead-lettered; 10 unless set.", HelpName = "N" };
    private readonly Option<long?> _maxLength = new("--max-length") { Description = "The most messages, dead letters apart.", HelpName = "N" };
    private readonly Option<long?> _maxBytes = new("--max-bytes") { Description = "The most bytes of bodies, dead letters apart.", HelpName = "N" };
    private readonly Option<string?> _overflow = new("--overflow") { Description = "What a full queue does: refuse new messages, or drop-oldest ready ones." };
    private readonly Option<bool?> _deadLetterExpired = new("--dead-letter-expired") { Description = "Whether expired messages become dead letters.", HelpName = "true|false" };
    private readonly Option<string?> _deleteAfterIdle = new("--delete-after-idle") { Description = "Delete the queue when it has been empty and unused for so long; or never.", HelpName = "DURATION" };
    private readonly Option<TimeSpan?> _dedupWindow = DurationText.Option("--dedup-window", "How long the id of a settled message is still refused; 10m unless set.");
    private readonly Option<int?> _dedupMaxEntries = new("--dedup-max-entries") { Description = "The most ids of settled messages that are remembered.", HelpName = "N" };

    public QueueSettingsOptions() => _overflow.AcceptOnlyFromAmong("refuse", "drop-oldest");

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_maxDeliveries, _maxLength, _maxBytes, _overflow, _deadLetterExpired, _deleteAfterIdle, _dedupWindow, _dedupMaxEntries])
        {
            command.Add(option);
        }
    }

    /// <summary><paramref name="settings"/> with what the command line says; the same object when it says nothing.</summary>
    public QueueSettings Apply(ParseResult arguments, QueueSettings settings)
    {
        var changed = settings with
        {
            MaxDeliveries = arguments.GetValue(_maxDeliveries) ?? settings.MaxDeliveries,
            MaxLength = arguments.GetValue(_maxLength) ?? settings.MaxLength,
            MaxBytes = arguments.GetValue(_maxBytes) ?? settings.MaxBytes,
            Overflow = arguments.GetValue(_overflow) switch
            {
                null => settings.Overflow,
                "refuse" => QueueOverflow.Refuse,
                _ => QueueOverflow.DropOldest,
            },
            DeadLetterExpired = arguments.GetValue(_deadLetterExpired) ?? settings.DeadLetterExpired,
            DeleteAfterIdle = arguments.GetValue(_deleteAfterIdle) switch
            {
                null => settings.DeleteAfterIdle,
                "never" => null,
                var text => DurationText.TryParse(text, out var idle) ? idle : throw new UsageException($"--delete-after-idle needs a duration such as 1h, or never, not '{text}'."),
            },
            DedupWindow = arguments.GetValue(_dedupWindow) ?? settings.DedupWindow,
            DedupMaxEntries = arguments.GetValue(_dedupMaxEntries) ?? settings.DedupMaxEntries,
        };
        changed.Validate();
        return changed == settings ? settings : changed;
    }

    /// <summary>Whether the command line has any of the options.</summary>
    public bool AreGiven(ParseResult arguments)
    {
        foreach (var option in (Option[])[_maxDeliveries, _maxLength, _maxBytes, _overflow, _deadLetterExpired, _deleteAfterIdle, _dedupWindow, _dedupMaxEntries])
        {
            if (arguments.GetResult(option) is { Implicit: false })
            {
                return true;
            }
        }

        return false;
    }

    public static void Write(OutputWriter output, string queue, QueueSettings settings)
    {
        if (output.IsJson)
        {
            output.WriteObject(json =>
            {
                json.WriteString("queue", queue);
                json.WriteNumber("maxDeliveries", settings.MaxDeliveries);
                json.WriteNumber("maxLength", settings.MaxLength);
                WriteNumber(json, "maxBytes", settings.MaxBytes);
                json.WriteString("overflow", OverflowName(settings));
                json.WriteBoolean("deadLetterExpired", settings.DeadLetterExpired);
                WriteNumber(json, "deleteAfterIdleMs", (long?)settings.DeleteAfterIdle?.TotalMilliseconds);
                json.WriteNumber("dedupWindowMs", (long)settings.DedupWindow.TotalMilliseconds);
                json.WriteNumber("dedupMaxEntries", settings.DedupMaxEntries);
            });
            return;
        }

        var columns = new Columns("QUEUE", queue);
        columns.Add("max-deliveries", MessageText.Count(settings.MaxDeliveries));
        columns.Add("max-length", MessageText.Count(settings.MaxLength));
        columns.Add("max-bytes", settings.MaxBytes is { } bytes ? MessageText.Count(bytes) : "the store's default");
        columns.Add("overflow", OverflowName(settings));
        columns.Add("dead-letter-expired", settings.DeadLetterExpired ? "true" : "false");
        columns.Add("delete-after-idle", settings.DeleteAfterIdle is { } idle ? MessageText.Duration(idle) : "never");
        columns.Add("dedup-window", MessageText.Duration(settings.DedupWindow));
        columns.Add("dedup-max-entries", settings.DedupMaxEntries.ToString("N0", CultureInfo.InvariantCulture));
        columns.WriteTo(output);
    }

    private static string OverflowName(QueueSettings settings) => settings.Overflow == QueueOverflow.Refuse ? "refuse" : "drop-oldest";

    private static void WriteNumber(System.Text.Json.Utf8JsonWriter json, string name, long? value)
    {
        if (value is null)
        {
            json.WriteNull(name);
        }
        else
        {
            json.WriteNumber(name, value.Value);
        }
    }
}
