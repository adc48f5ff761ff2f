using System.Globalization;

namespace Millrace.Scheduling.Jobs;

/// <summary>The keys of the documents about jobs.</summary>
internal static class JobKeys
{
    public const string Jobs = "!job!";
    public const string Uniques = "!unique!";
    public const string Batches = "!batch!";

    /// <summary>The marks of jobs that are to be cancelled.</summary>
    public const string Cancels = "!cancel!";

    /// <summary>The marks of jobs that have been put to another time, which their messages do not say.</summary>
    public const string Moves = "!moved!";

    public const string Rates = "!rate!";

    public static string OfJob(string id) => Jobs + id;

    public static string OfUnique(string key) => Uniques + key;

    public static string OfBatch(string batch) => Batches + batch;

    public static string OfBatchPart(string batch, int part) => string.Create(CultureInfo.InvariantCulture, $"{Batches}{batch}!{part:D4}");

    public static string OfRate(string name) => Rates + name;
}
