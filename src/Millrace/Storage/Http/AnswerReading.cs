using System.Text.Json;
using Millrace.Storage.Http.Wire;

namespace Millrace.Storage.Http;

/// <summary>Reads answers; what cannot be read is the server's fault, and what it was asked may have been done.</summary>
internal static class AnswerReading
{
    public static T From<T>(ApiConnection connection, ApiAnswer answer, WireRead<T> read)
    {
        try
        {
            var json = answer.Read();
            return read(ref json);
        }
        catch (WireFormatException exception)
        {
            throw new BackendUnavailableException($"The answer of the server {connection.Options.Server} cannot be read: {exception.Message}", mayHaveBeenApplied: true, exception);
        }
    }

    /// <summary>The number in one field of an object.</summary>
    public static long Number(ApiConnection connection, ApiAnswer answer, JsonEncodedText name) => From(connection, answer, (ref json) =>
    {
        var value = 0L;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(name))
            {
                value = json.Number(long.MinValue, long.MaxValue);
            }
            else
            {
                json.Skip();
            }
        }

        return value;
    });
}
