using Millrace.App.Output;

namespace Millrace.App.Migration;

/// <summary>What a migration says: a line for each queue, stream and the documents as soon as it is through with it, and warnings on the error stream.</summary>
internal sealed class MigrationReport(OutputWriter output, TextWriter error)
{
    private readonly MoveCounts _total = new();

    /// <summary>Whether the target has everything.</summary>
    public bool IsComplete => _total.Left == 0;

    public void Warn(string sentence) => error.WriteLine("millrace: " + sentence);

    /// <summary>Reports what became of one thing.</summary>
    /// <param name="kind">Queue, stream or documents.</param>
    /// <param name="name">Its name; null where there is one of the kind.</param>
    /// <param name="counts">How much of it went where.</param>
    public void Add(string kind, string? name, MoveCounts counts)
    {
        _total.Moved += counts.Moved;
        _total.Skipped += counts.Skipped;
        _total.Left += counts.Left;
        if (output.IsJson)
        {
            output.WriteObject(json =>
            {
                json.WriteString("kind", kind);
                json.WriteString("name", name);
                json.WriteNumber("moved", counts.Moved);
                json.WriteNumber("skipped", counts.Skipped);
                json.WriteNumber("left", counts.Left);
            });
        }
        else
        {
            output.WriteLine($"{kind}{(name is null ? "" : $" '{name}'")}: {Describe(counts)}");
        }

        output.Flush();
    }

    /// <summary>The last line, for people; programs have the sums of the lines before.</summary>
    public void Finish()
    {
        if (!output.IsJson)
        {
            output.WriteLine($"{(IsComplete ? "Done" : "Not everything was moved")}: {Describe(_total)}.");
        }
    }

    private static string Describe(MoveCounts counts) =>
        $"{MessageText.Count(counts.Moved)} moved, {MessageText.Count(counts.Skipped)} there already, {MessageText.Count(counts.Left)} left";
}
