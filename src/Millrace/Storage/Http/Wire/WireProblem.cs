using System.Text.Json;
using static Millrace.Storage.Http.Wire.WireNames;

namespace Millrace.Storage.Http.Wire;

/// <summary>
/// A problem document (RFC 9457) with a stable <see cref="Code"/>, and with what it takes to throw the same exception at the other end. Codes are listed in docs/guide/http-api.md.
/// </summary>
internal sealed record WireProblem(string Code, int Status, string Title, string Detail)
{
    /// <summary>The media type of a problem.</summary>
    public const string MediaType = "application/problem+json";

    private const string TypePrefix = "urn:millrace:problem:";

    /// <summary>What the problem is about, by kind: the queue, the name, the backend.</summary>
    public string? Subject { get; init; }

    /// <summary>The kind of name that is wrong, or the capability that is missing.</summary>
    public string? Kind { get; init; }

    /// <summary>Why a name is wrong, or which bound a queue has reached.</summary>
    public string? Reason { get; init; }

    /// <summary>The backends that have a missing capability.</summary>
    public IReadOnlyList<string> Available { get; init; } = [];

    /// <summary>Which offset of a stream was trimmed; null where it is not about that.</summary>
    public TrimmedOffset? Trimmed { get; init; }

    /// <summary>Where reading a partition can go on behind damage; null where it is not about that.</summary>
    public long? ResumeOffset { get; init; }

    /// <summary>Whether the same request may succeed later.</summary>
    public bool IsTransient { get; init; }

    /// <summary>Whether the operation may have been applied all the same.</summary>
    public bool MayHaveBeenApplied { get; init; }

    /// <summary>For one operation of several, or as a document of its own.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString(WireNames.Type, TypePrefix + Code);
        json.WriteString(WireNames.Title, Title);
        json.WriteNumber(WireNames.Status, Status);
        json.WriteString(WireNames.Detail, Detail);
        json.WriteString(WireNames.Code, Code);
        MessageWire.WriteOptional(json, Name, Subject);
        MessageWire.WriteOptional(json, WireNames.Kind, Kind);
        MessageWire.WriteOptional(json, WireNames.Reason, Reason);
        if (Available.Count > 0)
        {
            json.WriteStartArray(WireNames.Available);
            foreach (var backend in Available)
            {
                json.WriteStringValue(backend);
            }

            json.WriteEndArray();
        }

        if (Trimmed is { } trimmed)
        {
            json.WriteNumber(Partition, trimmed.Partition);
            json.WriteNumber(Offset, trimmed.Offset);
            json.WriteNumber(EarliestOffset, trimmed.EarliestOffset);
        }

        if (ResumeOffset is { } resume)
        {
            json.WriteNumber(WireNames.ResumeOffset, resume);
        }

        json.WriteBoolean(Transient, IsTransient);
        if (MayHaveBeenApplied)
        {
            json.WriteBoolean(WireNames.MayHaveBeenApplied, true);
        }

        json.WriteEndObject();
    }

    public static WireProblem Read(ref WireReader json)
    {
        var problem = new WireProblem("", 0, "", "");
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(WireNames.Code))
            {
                problem = problem with { Code = json.Text() };
            }
            else if (json.Is(WireNames.Status))
            {
                problem = problem with { Status = json.Number(0, 999) };
            }
            else if (json.Is(WireNames.Title))
            {
                problem = problem with { Title = json.Text() };
            }
            else if (json.Is(WireNames.Detail))
            {
                problem = problem with { Detail = json.Text() };
            }
            else
            {
                problem = problem.WithExtension(ref json);
            }
        }

        return problem;
    }

    private WireProblem WithExtension(ref WireReader json)
    {
        if (json.Is(Name))
        {
            return this with { Subject = json.OptionalText() };
        }

        if (json.Is(WireNames.Kind))
        {
            return this with { Kind = json.OptionalText() };
        }

        if (json.Is(WireNames.Reason))
        {
            return this with { Reason = json.OptionalText() };
        }

        if (json.Is(Transient))
        {
            return this with { IsTransient = json.Boolean() };
        }

        if (json.Is(WireNames.MayHaveBeenApplied))
        {
            return this with { MayHaveBeenApplied = json.Boolean() };
        }

        if (json.Is(WireNames.Available))
        {
            List<string> available = [];
            json.BeginArray();
            while (json.NextElement())
            {
                available.Add(json.Text());
            }

            return this with { Available = available };
        }

        if (json.Is(Partition))
        {
            return this with { Trimmed = (Trimmed ?? default) with { Partition = json.Number(0, int.MaxValue) } };
        }

        if (json.Is(Offset))
        {
            return this with { Trimmed = (Trimmed ?? default) with { Offset = json.Number(0, long.MaxValue) } };
        }

        if (json.Is(EarliestOffset))
        {
            return this with { Trimmed = (Trimmed ?? default) with { EarliestOffset = json.Number(0, long.MaxValue) } };
        }

        if (json.Is(WireNames.ResumeOffset))
        {
            return this with { ResumeOffset = json.Number(0, long.MaxValue) };
        }

        json.Skip();
        return this;
    }
}

/// <summary>An offset of a partition that cannot be read any more, and the first that can.</summary>
internal readonly record struct TrimmedOffset(int Partition, long Offset, long EarliestOffset);
