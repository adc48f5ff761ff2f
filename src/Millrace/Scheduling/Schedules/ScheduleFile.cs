using System.Text.Json;
using Millrace.Storage.Http.Wire;

namespace Millrace.Scheduling.Schedules;

/// <summary>A file that defines schedules: a JSON object with the field <c>schedules</c>, an array of definitions.</summary>
internal static class ScheduleFile
{
    private static readonly JsonEncodedText Schedules = JsonEncodedText.Encode("schedules");

    /// <summary>Reads the definitions. One that is not valid does not keep the others from being read.</summary>
    /// <param name="utf8">The file.</param>
    /// <param name="refuse">Told of each definition that is not valid: its number, from 1, and what is wrong.</param>
    /// <exception cref="WireFormatException">The file is no such object.</exception>
    public static List<ScheduleDefinition> Read(ReadOnlySpan<byte> utf8, Action<int, MillraceException> refuse)
    {
        var definitions = new List<ScheduleDefinition>();
        var json = new WireReader(utf8, isStrict: true);
        var isThere = false;
        json.BeginObject();
        while (json.NextField())
        {
            if (!json.Is(Schedules))
            {
                json.Unknown(Schedules);
            }

            isThere = true;
            json.BeginArray();
            for (var number = 1; json.NextElement(); number++)
            {
                ReadOne(json.Raw(), number, definitions, refuse);
            }
        }

        json.EndDocument();

        // An empty array says that there are to be none; a file that says nothing may have been written for something else, or cut off.
        return isThere ? definitions : throw new WireFormatException("The field 'schedules' is missing.");
    }

    private static void ReadOne(ReadOnlySpan<byte> utf8, int number, List<ScheduleDefinition> definitions, Action<int, MillraceException> refuse)
    {
        try
        {
            var json = new WireReader(utf8, isStrict: true);
            var definition = ScheduleJson.Read(ref json);
            ScheduleRules.Require(definition);
            definitions.Add(definition);
        }
        catch (MillraceException exception)
        {
            refuse(number, exception);
        }
    }
}
