using System.Globalization;
using System.Text.Json;
using Millrace.Scheduling;
using Millrace.Scheduling.Schedules;
using Millrace.Storage.Http.Wire;

namespace Millrace.App.Schedules;

/// <summary>Defines the schedules of a file, and marks those that it defined before and does not any more.</summary>
internal static class ScheduleFileSource
{
    private const string Unnamed = "number ";

    /// <summary>What schedules of a file are said to come from.</summary>
    public static string SourceOf(string path) => "file:" + Path.GetFileName(path);

    /// <summary>Brings a store to what the file says. What is not valid is left out by itself.</summary>
    /// <param name="schedules">The schedules of the store.</param>
    /// <param name="path">The file.</param>
    /// <param name="keepsOthers">Whether schedules that the file does not define any more go on.</param>
    /// <param name="cancellationToken">Ends it between schedules.</param>
    /// <exception cref="MillraceConfigurationException">The file cannot be read, or is no file of schedules.</exception>
    public static async Task<ScheduleFileResult> ApplyAsync(ScheduleClient schedules, string path, bool keepsOthers, CancellationToken cancellationToken)
    {
        var source = SourceOf(path);
        var refused = new List<SchedulePutResult>();
        var definitions = Read(path, refused);
        var results = await schedules.PutManyAsync(definitions, source, cancellationToken);

        // What is there and wrong is not gone: it stays as it was. Where one has no name, any could be meant.
        IReadOnlyList<SchedulePutResult> all = [.. refused, .. results];
        var orphans = keepsOthers || refused.Exists(result => result.Name.StartsWith(Unnamed, StringComparison.Ordinal))
            ? []
            : await schedules.OrphanAsync(source, all.Select(result => result.Name).ToHashSet(StringComparer.Ordinal), cancellationToken);
        return new ScheduleFileResult(source, all, orphans);
    }

    private static List<ScheduleDefinition> Read(string path, List<SchedulePutResult> refused)
    {
        var json = ScheduleFileText.ReadAsJson(path);
        try
        {
            var definitions = ScheduleFile.Read(
                json,
                (number, error) => refused.Add(new SchedulePutResult(NameOf(json, number), ScheduleChange.Unchanged, error)));

            // The other one of its name is not valid: nobody knows which is meant. Of two that are valid the client says so.
            var doubtful = definitions.FindAll(definition => refused.Exists(result => result.Name == definition.Name));
            refused.AddRange(doubtful.Select(definition => new SchedulePutResult(
                definition.Name,
                ScheduleChange.Unchanged,
                new MillraceConfigurationException($"The schedules file {path} defines the schedule '{definition.Name}' several times, and one of them is not valid. Leave one of them."))));
            return [.. definitions.Except(doubtful)];
        }
        catch (WireFormatException exception)
        {
            throw new MillraceConfigurationException(
                $"The schedules file {path} is no file of schedules: {exception.Message} It is an object with the field 'schedules', an array of definitions, in "
                + $"{ScheduleFileText.Forms}.",
                exception);
        }
    }

    // By its number, where it has none that can be read.
    private static string NameOf(byte[] json, int number)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var schedule = document.RootElement.GetProperty("schedules")[number - 1];
            if (schedule.GetProperty("name").GetString() is { } name)
            {
                return name;
            }
        }
        catch (Exception exception) when (exception is KeyNotFoundException or InvalidOperationException or IndexOutOfRangeException)
        {
            // What is wrong with it is said anyway.
        }

        return string.Create(CultureInfo.InvariantCulture, $"{Unnamed}{number}");
    }
}
