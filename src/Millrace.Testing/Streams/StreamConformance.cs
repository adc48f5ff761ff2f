namespace Millrace.Testing.Streams;

/// <summary>
/// The laws S1–S5, S8 and S9 of <see cref="Storage.IStreamStore"/>, a file each; S6 and S7 are those of the client above it. Derive from it to prove a stream store;
/// see <see cref="BackendFixture"/>.
/// </summary>
/// <typeparam name="TFixture">The backend under test.</typeparam>
public abstract partial class StreamConformance<TFixture> : StreamSuite<TFixture>
    where TFixture : BackendFixture, new()
{
}
