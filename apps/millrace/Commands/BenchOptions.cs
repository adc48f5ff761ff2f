using System.CommandLine;
using System.Globalization;
using Millrace.App.Bench;
using Millrace.App.Output;

namespace Millrace.App.Commands;

/// <summary>What <c>millrace bench</c> measures, as options.</summary>
internal sealed class BenchOptions
{
    private const int DefaultCallers = 4;
    private const int DefaultPacedSenders = 64;
    private const int DefaultBatch = 100;
    private const int DefaultSize = 256;
    private const int MaxBatch = 10_000;
    private const int MaxCallers = 1000;
    private const int MaxBatchBytes = 32 * 1024 * 1024;
    private const long MaxSenderBytes = 1024L * 1024 * 1024;
    private const double MaxRate = 1_000_000;

    private static readonly TimeSpan LongestDuration = TimeSpan.FromDays(1);

    private readonly Option<string?> _queue = new("--queue")
    {
        Description = "The queue, which must have no messages; otherwise one of its own, which is deleted afterwards.",
        HelpName = "NAME",
    };

    private readonly Option<long?> _messages = new("--messages") { Description = "Send so many messages.", HelpName = "N" };
    private readonly Option<TimeSpan?> _duration = DurationText.Option("--duration", "Send for so long; 10s unless set.");
    private readonly Option<int?> _senders = new("--senders")
    {
        Description = $"Sends at the same time; {DefaultCallers} unless set, {DefaultPacedSenders} with --rate.",
        HelpName = "N",
    };

    private readonly Option<int?> _workers = new("--workers")
    {
        Description = "Consumers that receive and complete at the same time; as many as senders unless set.",
        HelpName = "N",
    };

    private readonly Option<int?> _batch = new("--batch")
    {
        Description = $"Messages of one send, and at most so many of one completion; {DefaultBatch} unless set, 1 with --rate.",
        HelpName = "N",
    };

    private readonly Option<int> _size = new("--size")
    {
        Description = $"Bytes of a body, which are random; {DefaultSize} unless set, at least {BenchPlan.MinSize}.",
        HelpName = "BYTES",
        DefaultValueFactory = _ => DefaultSize,
    };

    private readonly Option<double?> _rate = new("--rate")
    {
        Description = "Send so many messages per second whether or not the store keeps up, and measure each latency from when the message was to be sent: stalls count.",
        HelpName = "N",
    };

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_queue, _messages, _duration, _senders, _workers, _batch, _size, _rate])
        {
            command.Add(option);
        }
    }

    /// <summary>What the command line asks for.</summary>
    /// <exception cref="MillraceConfigurationException">A value that cannot be.</exception>
    public BenchPlan Read(ParseResult arguments)
    {
        var queue = arguments.GetValue(_queue);
        if (queue is not null)
        {
            ResourceName.Require(queue, "queue");
        }

        var messages = arguments.GetValue(_messages);
        var duration = arguments.GetValue(_duration);
        var rate = arguments.GetValue(_rate);
        var senders = arguments.GetValue(_senders) ?? (rate is null ? DefaultCallers : DefaultPacedSenders);
        var plan = new BenchPlan
        {
            Queue = queue ?? "bench-" + Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture)[..12],
            Messages = messages,
            Senders = senders,
            Workers = arguments.GetValue(_workers) ?? senders,
            Batch = arguments.GetValue(_batch) ?? (rate is null ? DefaultBatch : 1),
            Size = arguments.GetValue(_size),
            Rate = rate,
        };
        plan = plan with { Duration = duration ?? plan.Duration };
        Refuse(messages is not null && duration is not null, "--messages and --duration exclude each other.");
        Refuse(messages is < 1 or > 1_000_000_000, $"--messages must be 1 to 1,000,000,000, not {messages}.");
        Refuse(plan.Duration <= TimeSpan.Zero || plan.Duration > LongestDuration, $"--duration must be more than 0 and at most 1d, not {MessageText.Duration(plan.Duration)}.");
        Refuse(plan.Senders is < 1 or > MaxCallers, $"--senders must be 1 to {MaxCallers}, not {plan.Senders}.");
        Refuse(plan.Workers is < 1 or > MaxCallers, $"--workers must be 1 to {MaxCallers}, not {plan.Workers}.");
        Refuse(plan.Batch is < 1 or > MaxBatch, $"--batch must be 1 to {MaxBatch}, not {plan.Batch}.");
        Refuse(plan.Size < BenchPlan.MinSize, $"--size must be at least {BenchPlan.MinSize}, which say what a message is, not {plan.Size}.");
        Refuse(rate is <= 0 or > MaxRate or double.NaN, $"--rate must be more than 0 and at most 1,000,000, not {rate?.ToString(CultureInfo.InvariantCulture)}.");
        Refuse((long)plan.Batch * plan.Size > MaxBatchBytes, $"--batch {plan.Batch} times --size {plan.Size} is more than 32 MiB, too much for one send.");
        Refuse((long)plan.Batch * plan.Size * plan.Senders > MaxSenderBytes, "--senders times --batch times --size is more than 1 GiB, too much to send at the same time.");
        return plan;
    }

    private static void Refuse(bool isWrong, string message)
    {
        if (isWrong)
        {
            throw new UsageException(message);
        }
    }
}
