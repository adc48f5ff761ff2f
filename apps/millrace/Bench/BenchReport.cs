using System.Globalization;
using Millrace.App.Output;
using Millrace.Storage;

namespace Millrace.App.Bench;

/// <summary>How a result is told.</summary>
internal static class BenchReport
{
    // Below this part of what was asked, the store is said not to have kept up.
    private const double KeptUp = 0.98;

    public static void Write(OutputWriter output, BenchResult result)
    {
        if (output.IsJson)
        {
            WriteJson(output, result);
        }
        else
        {
            WriteText(output, result);
        }
    }

    private static void WriteText(OutputWriter output, BenchResult result)
    {
        var plan = result.Plan;
        output.WriteLine($"backend     {result.Capabilities.Backend}, {DescribeDurability(result.Capabilities.Durability)}");
        output.WriteLine($"load        {Describe(plan)}");
        output.WriteLine($"warm-up     {MessageText.Count(result.WarmUpMessages)} messages, not counted below");
        output.WriteLine($"sent        {MessageText.Count(result.Sent)} messages in {MessageText.Duration(result.SendTime)}: {Rate(result.SentPerSecond)}/s");
        output.WriteLine($"full cycle  {MessageText.Count(result.Cycled)} messages sent, received and completed in {MessageText.Duration(result.CycleTime)}: "
            + $"{Rate(result.CycledPerSecond)}/s, {Bytes(result.BytesPerSecond)}/s");
        output.WriteLine($"latency     p50 {Time(result.P50)}, p99 {Time(result.P99)}, p99.9 {Time(result.P999)}, max {Time(result.Max)}; "
            + DescribeLatency(plan));
        var uncertain = result.Uncertain == 0 ? "" : $"; of {MessageText.Count(result.Uncertain)} messages nobody knows whether they were stored";
        output.WriteLine($"errors      {MessageText.Count(result.Errors)}{uncertain}");
        output.WriteLine($"check       {DescribeCheck(result)}");
        if (plan.Rate is { } rate && result.SentPerSecond < rate * KeptUp)
        {
            output.WriteLine($"The store did not keep up with {Rate(rate)}/s: the latency is that of a backlog that grew.");
        }
    }

    private static string Describe(BenchPlan plan)
    {
        var rate = plan.Rate is { } perSecond ? $", {Rate(perSecond)} messages per second whether or not the store keeps up" : "";
        return $"{plan.Senders} senders, {plan.Workers} workers, batches of {MessageText.Count(plan.Batch)}, bodies of {MessageText.Count(plan.Size)} bytes{rate}";
    }

    private static string DescribeDurability(StoreDurability durability) => durability switch
    {
        StoreDurability.None => "durability none: what is acknowledged lives in the memory of a process",
        StoreDurability.Process => "durability process: what is acknowledged survives the end of the process, not a power cut",
        StoreDurability.Full => "durability full: what is acknowledged survives a power cut",
        _ => "durability engine: what is acknowledged survives what the server behind it is set to",
    };

    private static string DescribeLatency(BenchPlan plan) => plan.Rate is null
        ? "from send to delivery, waiting behind earlier messages included (--rate measures at a load of your choice)"
        : "from when each message was to be sent to its delivery";

    private static string DescribeCheck(BenchResult result) => result.IsExactlyOnce
        ? $"each of {MessageText.Count(result.Acknowledged)} messages was received exactly once"
        : $"of {MessageText.Count(result.Acknowledged)} messages {MessageText.Count(result.Lost)} were lost; {MessageText.Count(result.Duplicates)} deliveries were repeats";

    private static string Rate(double perSecond) => perSecond.ToString(perSecond < 100 ? "0.#" : "N0", CultureInfo.InvariantCulture);

    private static string Time(TimeSpan time) => time.TotalMilliseconds switch
    {
        < 1 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMicroseconds:0}us"),
        < 100 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0.0}ms"),
        _ => MessageText.Duration(time),
    };

    private static string Bytes(double bytes) => bytes switch
    {
        < 1e3 => string.Create(CultureInfo.InvariantCulture, $"{bytes:0} B"),
        < 1e6 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e3:0.0} kB"),
        < 1e9 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:0.0} MB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e9:0.0} GB"),
    };

    private static void WriteJson(OutputWriter output, BenchResult result) => output.WriteObject(json =>
    {
        var plan = result.Plan;
        json.WriteString("backend", result.Capabilities.Backend);
        json.WriteString("durability", result.Capabilities.Durability.ToString().ToLowerInvariant());
        json.WriteString("queue", plan.Queue);
        json.WriteNumber("senders", plan.Senders);
        json.WriteNumber("workers", plan.Workers);
        json.WriteNumber("batch", plan.Batch);
        json.WriteNumber("size", plan.Size);
        if (plan.Rate is { } rate)
        {
            json.WriteNumber("rate", rate);
        }
        else
        {
            json.WriteNull("rate");
        }

        json.WriteNumber("warmUpMessages", result.WarmUpMessages);
        json.WriteNumber("sent", result.Sent);
        json.WriteNumber("sendMs", Math.Round(result.SendTime.TotalMilliseconds, 3));
        json.WriteNumber("sentPerSecond", Math.Round(result.SentPerSecond, 1));
        json.WriteNumber("cycled", result.Cycled);
        json.WriteNumber("cycleMs", Math.Round(result.CycleTime.TotalMilliseconds, 3));
        json.WriteNumber("cycledPerSecond", Math.Round(result.CycledPerSecond, 1));
        json.WriteNumber("bytesPerSecond", Math.Round(result.BytesPerSecond));
        json.WriteString("latencyFrom", plan.Rate is null ? "send" : "intended-send");
        json.WriteNumber("latencyP50Ms", Math.Round(result.P50.TotalMilliseconds, 3));
        json.WriteNumber("latencyP99Ms", Math.Round(result.P99.TotalMilliseconds, 3));
        json.WriteNumber("latencyP999Ms", Math.Round(result.P999.TotalMilliseconds, 3));
        json.WriteNumber("latencyMaxMs", Math.Round(result.Max.TotalMilliseconds, 3));
        json.WriteNumber("errors", result.Errors);
        json.WriteNumber("uncertain", result.Uncertain);
        json.WriteNumber("acknowledged", result.Acknowledged);
        json.WriteNumber("duplicates", result.Duplicates);
        json.WriteNumber("lost", result.Lost);
        json.WriteBoolean("exactlyOnce", result.IsExactlyOnce);
    });
}
