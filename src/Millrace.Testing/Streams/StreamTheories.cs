using Xunit;

namespace Millrace.Testing.Streams;

/// <summary>The cases of the stream suite's theories.</summary>
internal static class StreamTheories
{
    /// <summary>Names that no stream can have.</summary>
    public static TheoryData<string> BadStreamNames => ["", "a\nb", "a!b", "!dead", new string('x', 201), new string('ä', 101), "\ud800"];

    /// <summary>Names that no producer can have.</summary>
    public static TheoryData<string> BadProducers => ["", "a\nb", new string('x', 201), new string('ä', 101), "\ud800"];
}
